"""ONNX Runtime: sessions, execution providers and what they lack, one CPU arena, thread affinity."""
