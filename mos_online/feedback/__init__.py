"""What became of the answers of the service: decisions, impressions and clicks are joined in event time."""
