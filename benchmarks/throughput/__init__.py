"""Photos a second, latencies, CPU seconds and memory: the library and the service in turns with dlib and upstream."""
