"""The web process: HTTP, API keys, uploads and metrics. Loads no numpy, no image library and no ONNX Runtime."""
