"""Decoding in small child processes of a fork server, so that a fault of a decoder costs one image.

`handle.ForkServer` starts the fork server, `pool.DecoderPool` hands uploads to its children and checks what comes back:
both are for the worker, and load no decoder. `fork_server` is the program that has loaded the
decoders and forks, `child` the loop of its children, `limits` their memory and CPU time,
`messages` their packets, `faults` the causes of their end.
"""
