"""Parts that several commands use: the lazy group, settings, requirements of the machine, output, progress, errors."""
