"""One replica: profiles, queue and model."""
