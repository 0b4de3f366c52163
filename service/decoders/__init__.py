"""Decoding in small child processes of a fork server, so that a fault of a decoder costs one image.

`handle.ForkServer` starts the fork server, `pool.DecoderPool` sends uploads to its children and validates the
replies: both are for the worker, and load no decoder. `fork_server` is the program that loads the decoders and
forks, and `child` is the loop of its children. `limits` has their memory and CPU time, `messages` their packets, and
`faults` the causes of their failure.
"""
