"""Studies: scripts that answer one question each, outside of the suite and its gates."""
