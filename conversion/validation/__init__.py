"""Validation of every export against dlib, on synthetic pictures and on photos. A failed export is not written."""
