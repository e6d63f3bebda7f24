"""The models that are compared, by name: those that are fitted and those that only count."""
