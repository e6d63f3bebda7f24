"""Ranked items for a user: history, candidates, scores, filters, fallback, explanation, and who joins them."""
