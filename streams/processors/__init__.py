"""The stream processors: what each does with the records of its topic."""
