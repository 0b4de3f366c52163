"""Parts of every measurement: photos, processes, machine, results, gates."""
