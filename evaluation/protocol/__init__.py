"""One protocol for all models: split, data, runs, plan, results on disk."""
