"""Offline: dlib's own networks turned into ONNX graphs, each proven against dlib before it is written."""
