"""Models that MoS is compared with."""
