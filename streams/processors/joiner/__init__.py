"""The processor ``joiner``: joins decisions, impressions and accepted clicks into outcomes.

- ``processor``: gives records to partitions, decides how far event time has come, publishes outcomes.
- ``partition``: one partition: the joiner of ``mos_online.feedback``, its clocks and its checkpoint.
- ``recovery``: takes the log again after a restart, as the checkpoint says.
"""
