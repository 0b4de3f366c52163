"""Check of a machine's execution providers against its CPU and dlib, for a person with a graphics card."""
