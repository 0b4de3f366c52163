"""The pipeline of a photo in the worker: header, admission by bytes, decoding in a child process, recognition, JSON."""
