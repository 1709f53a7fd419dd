"""The fuzzing campaigns: `python -m fuzz --help`."""
