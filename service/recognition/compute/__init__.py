"""Cores, threads, batching, scratch buffers, compiled loops and container limits."""
