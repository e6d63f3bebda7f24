"""The Kafka broker for machines that have none."""
