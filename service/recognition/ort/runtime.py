"""ONNX Runtime, silenced: its wheels for Linux report processes and models to their maker unless told not to.

Import it from here only: what it reads from the environment, it reads while it is imported.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Read by NVIDIA's libraries when they are loaded. ONNX Runtime's own option (providers.py) is dropped where cuDNN has
# no other way for a layer.
os.environ["NVIDIA_TF32_OVERRIDE"] = "0"

import onnxruntime

onnxruntime.disable_telemetry_events()  # for a program that had imported it before

__all__ = ["onnxruntime"]
