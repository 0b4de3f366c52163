"""Validation of every export against dlib, on drawn pictures and on photos. What fails is never written."""
