"""Co-clicks equal a plain count over the whole log, whatever is repeated, killed or spread over partitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import AcceptedClick, AcceptedClicks
from mos_online.items import co_clicks
from mos_online.items.co_click_snapshot import CoClickSnapshot
from mos_online.items.co_clicks import CoClicks
from mos_online.items.partition_co_clicks import PartitionCoClicks
from mos_online.items.user_limits import UserLimits
from mos_online.model.neighbours import SMOOTHED, Neighbours

HALF_LIFE, WINDOW = 400.0, 100
NO_LIMITS = UserLimits(per_item=1e9, in_all=1e9)
ROWS = {item: row for row, item in enumerate("xyzvw", 1)}
Pairs = Mapping[tuple[str, str], float]


@st.composite
def logs(draw: st.DrawFn) -> list[AcceptedClick]:
    """Clicks in the order in which they were accepted, some of them a little late."""
    now, made = 10_000, []
    for position in range(draw(st.integers(0, 25))):
        now += draw(st.sampled_from([0, 5, 30, 90, 300, 200_000]))  # so long that weights are rescaled
        late = draw(st.sampled_from([0, 0, 0, 20]))
        user, item = draw(st.sampled_from("abc")), draw(st.sampled_from("xyzvw"))
        made.append(AcceptedClick(position, now - late, 1.0, user, item))
    return made


def plainly(clicks: Sequence[AcceptedClick]) -> Pairs:
    """Decayed to the newest click that went with another one."""
    found: list[tuple[int, str, str, float]] = []
    for at, click in enumerate(clicks):
        near: list[str] = []
        own = [one for one in clicks[:at] if one.user_id == click.user_id]
        for other in {one.item_id: one for one in own}.values():  # the last click of each item
            later = own[own.index(other) :]
            newest = max(click.timestamp, *(one.timestamp for one in later))
            clicked = max(one.timestamp for one in own if one.item_id == other.item_id)
            if newest - clicked <= WINDOW:
                near.append(other.item_id)
        near.sort(key=lambda item: -max(n for n, one in enumerate(own) if one.item_id == item))
        if click.item_id not in near:
            for step, before in enumerate(near, 1):
                found += [(click.timestamp, before, click.item_id, 1 / step)]
                found += [(click.timestamp, click.item_id, before, 1 / step)]
    as_of = max((click.timestamp for click in clicks), default=0)
    pairs: dict[tuple[str, str], float] = defaultdict(float)
    for time, owner, neighbour, weight in found:
        pairs[owner, neighbour] += weight * 0.5 ** ((as_of - time) / HALF_LIFE)
    return {pair: weight for pair, weight in pairs.items() if weight > 2 * co_clicks.FADED}


def pairs_of(snapshot: CoClickSnapshot) -> Pairs:
    snapshot.check()
    lengths, neighbours, weights = snapshot.columns()
    names = snapshot.item_ids
    owners = np.repeat(np.arange(len(names)), lengths).tolist()
    return {
        (names[owner], names[other]): weight
        for owner, other, weight in zip(owners, neighbours.tolist(), weights.tolist(), strict=True)
        if weight > 2 * co_clicks.FADED
    }


def counted(clicks: Sequence[AcceptedClick], **bounds: int) -> CoClicks:
    counts = CoClicks(half_life_ms=HALF_LIFE, window_ms=WINDOW, **bounds)
    for click in clicks:
        counts.add(click.user_id, click.item_id, click.timestamp)
    return counts


@given(logs())
@settings(max_examples=60)
def test_counts_are_those_of_a_plain_count(clicks: list[AcceptedClick]) -> None:
    counts = counted(clicks)
    assert pairs_of(counts.snapshot()) == pytest.approx(plainly(clicks), rel=1e-5)
    for item in "xyzvw":
        expected = {other: weight for (owner, other), weight in plainly(clicks).items() if owner == item}
        found = {other: weight for other, weight in counts.listed(item).items() if weight > 2 * co_clicks.FADED}
        assert found == pytest.approx(expected, rel=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)


@given(logs(), st.data())
@settings(max_examples=60)
def test_each_click_counts_once_through_repeats_and_restarts(clicks: list[AcceptedClick], data: st.DataObject) -> None:
    """Records come again with other bounds, as after a crash of the sessionizer; the counter is killed in between."""
    records: list[AcceptedClicks] = []
    done = 0
    while done < len(clicks):
        begin = max(0, done - data.draw(st.sampled_from([0, 0, 2, 5])))
        end = min(len(clicks), max(begin + data.draw(st.integers(1, 4)), begin + 1))
        records.append(AcceptedClicks.of("a log", clicks[begin:end]))
        done = max(done, end)
    begun = partial(PartitionCoClicks, half_life_ms=HALF_LIFE, window_ms=WINDOW, partition=0, limits=NO_LIMITS)
    counts, stored = begun(), None
    for offset, record in enumerate(records):
        counts.take(record, offset=offset)
        if data.draw(st.booleans()):
            stored = counts.snapshot()
        if data.draw(st.integers(0, 3)) == 0:  # killed: what was counted since the snapshot is read again
            counts = begun(stored=stored)
            for again in range(counts.read_from, offset + 1):
                counts.take(records[again], offset=again)
    found = counts.snapshot()
    assert pairs_of(found) == pytest.approx(plainly(clicks), rel=1e-4)
    assert found.counted_to == len(clicks)


@given(logs())
@settings(max_examples=30)
def test_partitions_add_up(clicks: list[AcceptedClick]) -> None:
    parts = [counted([one for one in clicks if one.user_id == user]).snapshot() for user in "abc"]
    whole = Neighbours.of([counted(clicks).snapshot()], ROWS, half_life_ms=HALF_LIFE)
    added = Neighbours.of(parts[::-1], ROWS, half_life_ms=HALF_LIFE)
    assert added.support.sum().item() == pytest.approx(whole.support.sum().item(), abs=0.05)
    tables = []
    for table in (whole, added):
        dense = np.zeros((6, 6))
        owners = np.repeat(table.owners.numpy(), np.diff(table.starts.numpy()))
        np.add.at(dense, (owners, table.items.numpy()), table.chances.numpy())
        assert (dense.sum(1) < 1).all()
        tables.append(dense)
    np.testing.assert_allclose(tables[0], tables[1], atol=0.02)
    pairs = plainly(clicks)
    for (owner, other), weight in pairs.items():
        total = sum(each for (of, _), each in pairs.items() if of == owner)
        assert tables[1][ROWS[owner], ROWS[other]] == pytest.approx(weight / (total + SMOOTHED), abs=0.02)


@given(logs(), logs())
@settings(max_examples=20)
def test_a_frozen_snapshot_is_of_its_moment(before: list[AcceptedClick], after: list[AcceptedClick]) -> None:
    """Also if the pairs have been thinned out since."""
    counts = counted(before, most_pairs=6)
    expected, frozen = counts.snapshot(), counts.frozen()
    for click in after:
        counts.add(click.user_id, f"{click.item_id}{click.timestamp}", click.timestamp + 1_000_000)
    assert frozen() == expected


def test_another_log_begins_anew_and_another_half_life_keeps_what_is_listed() -> None:
    counts = PartitionCoClicks(half_life_ms=HALF_LIFE, window_ms=WINDOW, partition=3, limits=NO_LIMITS)
    two = [AcceptedClick(n, 1000 + n, 1.0, "u", item) for n, item in enumerate("xy")]
    for offset, log_id in enumerate(("one", "one", "two")):
        counts.take(AcceptedClicks.of(log_id, two), offset=offset)
    assert pairs_of(counts.snapshot()) == pytest.approx({("x", "y"): 1.0, ("y", "x"): 1.0})  # a repeat in the window
    later = [AcceptedClick(n, 2000 + n, 1.0, "u", item) for n, item in enumerate("xy", 2)]
    counts.take(AcceptedClicks.of("two", later), offset=3)
    before = counts.snapshot()
    counts.change_half_life(1000 * HALF_LIFE)
    assert counts.snapshot() == before
    assert (before.partition, before.log_id, before.counted_to, before.read_from) == (3, "two", 4, 3)


def test_a_user_cannot_raise_a_pair_by_clicking_on_and_on() -> None:
    """Not even through the restarts of the counter, which remembers from the clicks that it reads again."""
    begun = partial(
        PartitionCoClicks,
        half_life_ms=1e12,
        window_ms=1_800_000,
        partition=0,
        limits=UserLimits(per_item=5, in_all=100),
    )
    items = ["target", "popular", *(f"i{n}" for n in range(20))]
    clicks = [AcceptedClick(n, 3_600_000 + n, 1.0, "greedy", items[n % 22]) for n in range(1000)]
    records = [AcceptedClicks.of("a log", clicks[begin : begin + 50]) for begin in range(0, 1000, 50)]
    counts = begun()
    for offset, record in enumerate(records):
        counts.take(record, offset=offset)
        if offset == 10:
            counts = begun(stored=counts.snapshot())
            for again in range(counts.read_from, offset + 1):
                counts.take(records[again], offset=again)
    found = pairs_of(counts.snapshot())
    assert 1 <= found["target", "popular"] <= 5
    assert sum(found.values()) < 2 * 100 * sum(1 / step for step in range(1, 11))
    counts.take(AcceptedClicks.of("a log", [AcceptedClick(1000, 3_700_000, 1.0, "other", "target")]), offset=20)
    counts.take(AcceptedClicks.of("a log", [AcceptedClick(1001, 3_700_000, 1.0, "other", "popular")]), offset=21)
    assert pairs_of(counts.snapshot())["target", "popular"] == pytest.approx(found["target", "popular"] + 1)


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(co_clicks, "NEIGHBOURS", 3)
    clicks = [AcceptedClick(n, 1000 + n // 2, 1.0, f"u{n // 2}", f"i{n * n % 97}") for n in range(400)]
    clicks += [AcceptedClick(n, 1300, 1.0, f"v{n // 2}", "often" if n % 2 else "hub") for n in range(40)]
    clicks += [AcceptedClick(n, 1300, 1.0, f"w{n // 2}", f"i{n % 10}" if n % 2 else "hub") for n in range(40)]
    counts = counted(clicks, most_pairs=50)
    assert len(counts) <= 100
    snapshot = counts.snapshot()
    lengths, _, _ = snapshot.columns()
    assert lengths.sum() <= 50
    assert lengths.max() == 3
    assert counts.listed("hub")["often"] == pytest.approx(20.0)
    assert next(iter(counts.listed("hub"))) == "often"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"lengths": b""}, "do not fit"),
        ({"lengths": np.array([2, 1], "<u4").tobytes()}, "do not fit"),
        ({"weights": np.array([1.0], "<f4").tobytes()}, "do not fit"),
        ({"weights": b"abc"}, "buffer size"),
        ({"neighbours": np.array([7, 0], "<u4").tobytes()}, "neighbour 7"),
        ({"weights": np.array([1.0, np.nan], "<f4").tobytes()}, "finite"),
        ({"weights": np.array([1.0, 0.0], "<f4").tobytes()}, "above 0"),
    ],
)
def test_columns_that_do_not_fit_are_told(changes: dict[str, bytes], fault: str) -> None:
    good = counted([AcceptedClick(n, 1000, 1.0, "u", item) for n, item in enumerate("xy")]).snapshot()
    good.check()
    with pytest.raises(ValueError, match=fault):
        msgspec.structs.replace(good, **changes).check()


@pytest.mark.parametrize("half_lives", [1, 100, 288, 289, 300, 1000, 10_000])
def test_after_a_silence_of_any_length_no_pair_weighs_more_than_it_did(half_lives: int) -> None:
    """A listing may be the first to see that event time went on: somebody clicked alone, or a heartbeat came."""
    for goes_on in ("click", "heartbeat"):
        counts = CoClicks(half_life_ms=HALF_LIFE, window_ms=WINDOW)
        counts.add("u", "x", 0)
        counts.add("u", "y", 50)
        later = int(half_lives * HALF_LIFE) + 50
        counts.add("v", "z", later) if goes_on == "click" else counts.pass_time(later)
        assert counts.listed("x") == ({"y": 0.5} if half_lives == 1 else {})
        counts.add("v", "x", later + 1) if goes_on == "click" else counts.add("u", "z", later + 1)
        assert all(weight <= 1 for item in "xyz" for weight in counts.listed(item).values())
