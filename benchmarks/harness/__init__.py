"""Base of all measurements: photos, load, machine facts, results and gates."""
