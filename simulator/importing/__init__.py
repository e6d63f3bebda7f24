"""Bringing a click log of any shape into a dataset folder: columns guessed, values checked, sorted by time."""
