"""Builders of the ONNX graphs, from the layers that `conversion.dat` reads."""
