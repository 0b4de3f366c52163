"""Traces of photos by OpenTelemetry, sent to the collector of FACE_TRACES. Unset, no module of OpenTelemetry is loaded.

`photo_traces` is the ASGI middleware, `spans` makes the spans of a photo, `collector` sends them.
"""
