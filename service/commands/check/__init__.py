"""The command `check`: every stage of a model, measured on this machine, and a verdict."""
