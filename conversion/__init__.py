"""Conversion of dlib's networks to ONNX graphs and of its landmark predictors to arrays, validated against dlib."""
