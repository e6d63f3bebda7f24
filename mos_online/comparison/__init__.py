"""Models compared under one protocol: time-ordered split, shared negatives, equal budgets, paired statistics."""
