"""The pure core of MoS Online: contracts, sessions, themes, model, training. Knows no Kafka, Feast, Ray or HTTP."""

__version__ = "0.1.0"
