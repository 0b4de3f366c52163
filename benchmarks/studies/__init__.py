"""Studies: scripts for one question each, outside the benchmark runs and their gates."""
