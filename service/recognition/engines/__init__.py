"""Who computes the stages of a photo: ONNX Runtime or dlib, behind one protocol."""
