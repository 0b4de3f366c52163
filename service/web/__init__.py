"""The web process: HTTP, API keys, uploads and metrics. Imports no numpy, no image library and no ONNX Runtime."""
