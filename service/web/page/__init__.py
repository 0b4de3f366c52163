"""State of the service for its administrators: as a page, as JSON and as server-sent events, without a key.

It shows no file names, no contents of photos and no keys.
"""
