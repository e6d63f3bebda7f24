"""A/B tests: who gets which arm, and what the arms are worth, with statistics that may be looked at any time."""

from mos_online.experiments.assignment import BUCKETS, Arm, Split, assigned, bucket
from mos_online.experiments.confidence_sequence import Interval
from mos_online.experiments.difference import Difference, RatioOutcome
from mos_online.experiments.sample_ratio import SampleRatio

__all__ = [
    "BUCKETS",
    "Arm",
    "Difference",
    "Interval",
    "RatioOutcome",
    "SampleRatio",
    "Split",
    "assigned",
    "bucket",
]
