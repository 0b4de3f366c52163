"""Processes of a measurement: the service under test, memory and CPU time of its process tree, and its cores."""
