"""The command `estimate`: the time for a library, by a running service or by a sample of photos."""
