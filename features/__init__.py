"""The Feast repository and the thin reader and writer of its online store."""
