"""Measures a log or a topic: what ``mos validate`` judges."""
