"""Producers of Kafka records: one that waits for Kafka, for the worker, and one that never waits, for the service.

The packages ``streams`` and ``serving`` do not import each other. Both publish through this one (docs/adr/0015).
"""
