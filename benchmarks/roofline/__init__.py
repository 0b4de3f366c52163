"""Roofline of the two networks: their work against this machine's matrix product and memory bandwidth."""
