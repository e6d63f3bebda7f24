"""Scores on disk, and the metrics and paired differences that come from them."""
