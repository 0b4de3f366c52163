"""Traces of photos by OpenTelemetry, sent to the collector of FACE_TRACES. Unset, no module of OpenTelemetry is loaded.

`from_settings` sets them up, `photo_traces` is the ASGI middleware, `spans` makes the spans of a photo, `collector`
sends them.
"""
