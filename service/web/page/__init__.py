"""The page for the people who run the service: its state as JSON and as server-sent events, without a key.

It shows no file names, no contents of photos and no keys.
"""
