"""Throughput, latency, CPU time and memory of the library and the service, in alternation with dlib and upstream."""
