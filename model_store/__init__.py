"""Which weights exist, where they come from, and which bytes are right."""
