"""Faust, and the worker that runs the processors on it."""
