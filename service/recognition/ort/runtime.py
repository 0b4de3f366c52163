"""Import of ONNX Runtime without telemetry, which its wheels for Linux send by default, and without TF32.

The only module that imports it: ONNX Runtime reads the environment during its import.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Read by NVIDIA's libraries when they are loaded. ONNX Runtime's option (providers.py) has no effect on a layer for
# which cuDNN has no other algorithm.
os.environ["NVIDIA_TF32_OVERRIDE"] = "0"

import onnxruntime

onnxruntime.disable_telemetry_events()  # for a program that imported it before this module

__all__ = ["onnxruntime"]
