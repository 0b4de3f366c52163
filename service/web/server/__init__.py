"""The HTTP server of the web process: listening sockets, uvicorn, and a graceful shutdown."""
