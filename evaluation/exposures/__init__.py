"""Ranking what users had in view."""
