"""Periodic fine-tuning: the champion learns from what has happened since, and is replaced if it got better."""
