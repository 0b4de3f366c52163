"""Engines: ONNX Runtime with compiled loops, or dlib, behind the protocol of `contract.Engine`."""
