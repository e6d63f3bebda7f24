"""The static comparison: every model is fitted once on the past and judged on later clicks."""
