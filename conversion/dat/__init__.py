"""Readers of dlib's serialization (.dat files): networks and shape predictors. No dlib, no C++."""
