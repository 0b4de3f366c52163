"""Cores and threads of a photo, batching, scratch arrays, compiled loops, and limits of control groups."""
