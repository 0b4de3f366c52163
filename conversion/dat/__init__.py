"""Readers of dlib's serialization (.dat files): networks and shape predictors, without dlib itself."""
