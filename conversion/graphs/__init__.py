"""Builders of the ONNX graphs, from layers that `conversion.dat` read."""
