"""The command `analyse`: the faces of photos, folders included, as JSON lines and annotated copies."""
