"""Models that are updated, fitted anew or frozen while the log goes on."""
