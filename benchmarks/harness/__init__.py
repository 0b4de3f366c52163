"""Base of all measurements: photos, processes, load, machine facts, results and gates."""
