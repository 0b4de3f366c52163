"""The worker process: its start, its sandbox, and its side of the connection to the web process.

`python -m service.worker` runs it, `service.supervision` starts and replaces it from the web process, and
`service.pipeline` is the work on a photo. Both processes exchange the messages of `service.messages`.
"""
