"""Roofline of the two networks: their work against this machine's arithmetic and memory bandwidth."""
