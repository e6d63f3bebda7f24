"""The file ``experiments.yaml``: which experiments run, on whom, and when they end."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mos_online.experiments.assignment import BUCKETS

_END = r"$(?!\n)"
"""The end of a text, also in languages where ``$`` is before a last line break, too."""

Label = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}" + _END, description="Small letters, digits and hyphens; at most 63.")
]
Duration = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,4}[smhd]" + _END, description="A number and s, m, h or d, such as 7d or 30m.")
]
Buckets = Annotated[list[Annotated[int, Meta(ge=0, le=BUCKETS)]], Meta(min_length=2, max_length=2)]
RouterPlan = Literal["frozen", "online"]
Metric = Literal["ctr", "conversion", "revenue", "ndcg", "sessions", "returned"]
Guarded = Literal["ctr", "latency", "fallback", "coverage", "popularity-lift", "theme-exposure", "orphan-clicks"]
Slow = Literal[10, 20, 50, 100, 200, 500, 1000]

PARAMETERS = ("model", "router", "fast_weights", "exploration")
"""What an arm may set. A layer owns what its arms set, so that a user of two layers gets one value of each (Tang,
Agarwal, O'Brien & Meyer, "Overlapping Experiment Infrastructure", KDD 2010)."""

LEARNED = ("router", "fast_weights")
"""Parameters of what learns from the users. One layer owns them together, so that a user teaches one arm."""

UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
"""Milliseconds of the units of a duration."""


def milliseconds(duration: str) -> int:
    """The length of a duration that is well formed.

    >>> milliseconds("7d"), milliseconds("30m")
    (604800000, 1800000)
    """
    return int(duration[:-1]) * UNITS[duration[-1]]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; unknown keys are refused."""


class ArmPlan(_Part, frozen=True, kw_only=True):
    """An arm: what answers its users. What it does not set is as for users without an experiment."""

    name: Label
    weight: Annotated[float, Meta(gt=0, le=1e6, description="Its share of the users, relative to the other arms.")] = (
        1.0
    )
    model: Annotated[
        Annotated[str, Meta(min_length=1, max_length=100)] | None,
        Meta(description="A version of the model, or an alias such as champion, which is the default."),
    ] = None
    router: Annotated[
        RouterPlan | None,
        Meta(
            description="The router of the model as it was trained (`frozen`), or with the revisions that are learned "
            "live (`online`), which is the default."
        ),
    ] = None
    fast_weights: Annotated[
        bool | None, Meta(description="Whether click probabilities are corrected live; they are by default.")
    ] = None
    exploration: Annotated[
        Annotated[float, Meta(ge=0, le=0.5)] | None,
        Meta(description="The share of answers with one slot for a random candidate, for estimates; by default none."),
    ] = None


class Guardrail(_Part, frozen=True, kw_only=True):
    """A metric that no arm may harm in the first hour of its users; an arm that does is rolled back."""

    metric: Guarded
    margin: Annotated[
        float,
        Meta(gt=0, le=10, description="How much worse than the control it may be, as a share of the control's value."),
    ]
    slower_than: Annotated[
        Slow | None,
        Meta(description="Of latency: an answer is slow if it took longer than so many ms, which is 100 by default."),
    ] = None

    @property
    def slow(self) -> Slow:
        """An answer that took longer than so many ms is slow."""
        return self.slower_than or 100


class ExperimentPlan(_Part, frozen=True, kw_only=True):
    """One experiment."""

    name: Label
    version: Annotated[
        int, Meta(ge=1, description="Of the split. Raise it with the arms or their weights: all users are drawn anew.")
    ] = 1
    buckets: Annotated[
        list[Buckets],
        Meta(
            min_length=1,
            description="Ranges of the layer's 10,000 buckets, from (included) to (excluded). To ramp up, add ranges.",
        ),
    ]
    control: Annotated[Label, Meta(description="The arm that the others are compared with.")]
    arms: Annotated[list[ArmPlan], Meta(min_length=2, max_length=10)]
    primary: Annotated[Metric, Meta(description="The metric that decides.")]
    secondary: Annotated[
        list[Metric], Meta(description="Metrics that are shown, with intervals that allow for all.")
    ] = msgspec.field(default_factory=list)
    guardrails: list[Guardrail] = msgspec.field(default_factory=list)
    window: Annotated[Duration, Meta(description="A user counts so long after the first answer.")] = "7d"
    minimum: Annotated[Duration, Meta(description="Nothing is shipped before.")] = "7d"
    maximum: Annotated[
        Duration, Meta(description="Nobody enters after so long. The experiment ends when the last window has closed.")
    ] = "28d"
    expected_users: Annotated[
        int, Meta(ge=1_000, le=10**9, description="Users of all arms at which you expect to decide.")
    ] = 20_000
    smallest_effect: Annotated[
        float | None,
        Meta(description="The least relative effect of interest: once it is ruled out, the experiment is futile."),
    ] = None
    ship: Annotated[
        Literal["by-hand", "automatic"], Meta(description="Who puts a winner into service. Harm is always rolled back.")
    ] = "by-hand"


class Layer(_Part, frozen=True, kw_only=True):
    """Experiments of one layer exclude each other; layers are independent."""

    name: Annotated[Label, Meta(description="Also the salt: another name draws all users anew.")]
    experiments: list[ExperimentPlan] = msgspec.field(default_factory=list)


class Plan(_Part, frozen=True, kw_only=True):
    """All experiments."""

    holdout: Annotated[
        int,
        Meta(ge=0, le=BUCKETS // 2, description="So many of 10,000 users are in no experiment and get the champion."),
    ] = 0
    conversions: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=256)]],
        Meta(
            min_length=1,
            description="The types of events that are conversions. An experiment keeps what it was started with.",
        ),
    ] = msgspec.field(default_factory=lambda: ["purchase"])
    value: Annotated[
        Annotated[str, Meta(min_length=1, max_length=256)] | None,
        Meta(
            description="The name in the `context` of a conversion under which its value stands, a number such as a "
            "price; the metric revenue needs it."
        ),
    ] = None
    layers: list[Layer]
