"""What is known of items: how popular they are now."""
