"""MoS beside its rivals: the protocol, the rivals, the hopping measure, reports. Nothing in service imports it."""
