"""Reading and writing Kafka: records, topics, producer, log reader."""
