"""ONNX Runtime: sessions, execution providers and their requirements, one CPU arena, thread affinity."""
