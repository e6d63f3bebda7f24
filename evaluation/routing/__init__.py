"""Other ways of giving sessions their themes."""
