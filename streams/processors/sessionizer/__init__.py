"""The sessionizer of the worker: clicks in, closed sessions out.

It decides nothing about sessions. They are closed by ``SessionWindows.close`` in ``mos_online/sessions/windows.py``,
which ``SessionizerPartition.take`` and ``SessionizerPartition.tick`` call through ``mos_online.sessions.Sessionizer``.

- ``processor``: what Kafka assigns, the timers, and when checkpoints are stored.
- ``partition``: one partition of ``clicks`` with its ``Sessionizer``: records, the wall clock, checkpoints.
- ``outputs``: where sessions, late events and dead letters are published.
- ``recovery``: where a partition goes on after a restart or a rebalance.
"""
