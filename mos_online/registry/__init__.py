"""Versions of models, and which one is in service."""
