"""Parity and throughput against the dlib reference."""
