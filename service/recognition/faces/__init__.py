"""Stages of one face: landmarks, similarity transform, face chip, descriptor."""
