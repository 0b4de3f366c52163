"""Parity: a candidate's answers against the reference answers of a baseline, in total and stage by stage."""
