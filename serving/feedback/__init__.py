"""What the service tells Kafka, without ever waiting for it to answer a request."""
