"""The service under any ASGI server: preparation of this machine, and the application.

`service.hosting.computing` checks and plans, `service.hosting.asgi` makes the application. `python -m service serve`
uses both with its own server; `service.hosting.asgi:from_environment` is the factory for another one.
"""
