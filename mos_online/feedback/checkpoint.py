"""What a joiner must remember to go on after a crash: where event time stood at which offsets. The log is the state."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mos_online.feedback.joiner import Joiner, Needed
from mos_online.feedback.rules import JoinRules


class Offsets(msgspec.Struct, frozen=True, array_like=True):
    """The offset of the next record of each input of one partition."""

    decisions: int
    impressions: int
    clicks: int

    def of_inputs(self) -> tuple[int, int, int]:
        """Those of decisions, impressions and clicks."""
        return self.decisions, self.impressions, self.clicks

    def up_to(self, needed: Needed) -> bool:
        """Whether nothing is needed before these offsets."""
        pairs = zip(self.of_inputs(), needed, strict=True)
        return all(first is None or offset <= first for offset, first in pairs)


class JoinStep(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """When the records before ``taken`` had been taken, event time went on to ``watermark`` (ms) by these rules.

    Attributes:
        log_id, counted_to: of the clicks, as in ``Joiner``, at that moment.
    """

    watermark: int
    taken: Offsets
    window: int
    lateness: int
    log_id: str
    counted_to: int

    @property
    def rules(self) -> JoinRules:
        """The rules that were in force."""
        return JoinRules(self.window, self.lateness)

    def at(self, taken: Offsets) -> JoinStep:
        """The same at other offsets."""
        return replace(self, taken=taken)

    @classmethod
    def of(cls, joiner: Joiner, watermark: int, taken: Offsets) -> JoinStep:
        """The step that a joiner is about to make."""
        return cls(
            watermark=watermark,
            taken=taken,
            window=joiner.rules.window,
            lateness=joiner.rules.lateness,
            log_id=joiner.log_id,
            counted_to=joiner.counted_to,
        )


class JoinerCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of one partition, the first of which left nothing behind that is needed now.

    A restart begins at the first step, and takes records and makes steps as they were made. So every record is judged
    late or not as it was, whatever the clock says. The outcomes of the last step may not have been published.

    Attributes:
        steps: at least one.
        needed: the first offsets that were needed before the last step.
    """

    steps: list[JoinStep]
    needed: Needed = Needed(None, None, None)

    @property
    def first_needed(self) -> tuple[int, int, int]:
        """The first offset of each input that must still be there."""
        taken = self.steps[-1].taken.of_inputs()
        decisions, impressions, clicks = (
            end if first is None else first for first, end in zip(self.needed, taken, strict=True)
        )
        return decisions, impressions, clicks

    @classmethod
    def of_nothing(cls, rules: JoinRules, begin: Offsets) -> JoinerCheckpoint:
        """The checkpoint of a partition of which nothing has been taken; its inputs begin at these offsets."""
        step = JoinStep(
            watermark=-1, taken=begin, window=rules.window, lateness=rules.lateness, log_id="", counted_to=0
        )
        return cls(steps=[step])

    def with_step(self, step: JoinStep, needed: Needed) -> JoinerCheckpoint:
        """The same with another step, and without the first ones, as far as nothing before is needed."""
        begin = max((n for n, one in enumerate(self.steps) if one.taken.up_to(needed)), default=0)
        return JoinerCheckpoint(steps=[*self.steps[begin:], step], needed=needed)
