"""What Feast says of users as they were at a time is what the learner's log says."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from random import Random

import feast
import pyarrow as pa
import pytest

from features.user_history import FILE
from learning.user_history import export_user_history
from mos_online.contracts import Session, encode
from mos_online.learning.log import LearningLog
from mos_online.learning.order import Cell, Known, Source, ids_of
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from tests.learning.records import session
from tests.published_model import publish_model

RECENT, THEME_RING = 3, 2
"""Of the model that ``publish_model`` makes. No user's history is longer than its rings keep."""

THEME_OF = {"a": 1, "b": 2}


def kept(settings: Settings, sessions: list[Session], *, files: int = 5) -> None:
    """Leave these sessions as the learner would, in several files."""
    log = LearningLog(settings.learning_dir / "log", days=30, megabytes=100)
    source, size = Source("sessions", 0), -(-len(sessions) // files)
    for begin in range(0, len(sessions), size):
        part = sessions[begin : begin + size]
        cells = [
            Cell(one.watermark, [Known(one.watermark, 0, ids_of(one), source, begin + n, 0, encode(one), one)])
            for n, one in enumerate(part)
        ]
        log.append(cells, {source: begin + len(part)})


def traffic(count: int) -> list[Session]:
    """Sessions of one item each; several of a user may close at one moment."""
    rng = Random(0)
    return [
        session(f"u{rng.randrange(6)}", number, closed_at=1_000_000 + number // 3 * 500, items=rng.choice("ab"))
        for number in range(count)
    ]


def oracle(sessions: list[Session], user: str, at: int) -> tuple[int, list[str], str] | None:
    """Sessions of a user until a moment, their themes counted, and the last one."""
    past = [one for one in sessions if one.user_id == user and one.watermark <= at]
    if not past:
        return None
    themes = [THEME_OF[event.item_id] for one in past for event in one.events]
    counts = sorted(f"{theme}:{themes.count(theme)}" for theme in set(themes))
    return len(past), counts, past[-1].session_id


def test_rows_as_of_a_time_are_those_of_the_log(mos_home: Settings, tmp_path: Path) -> None:
    publish_model(tmp_path / "model", mos_home)
    sessions = traffic(120)
    kept(mos_home, sessions)
    export_user_history(mos_home, days=7)
    rng = Random(1)
    asked = [(f"u{rng.randrange(7)}", rng.randrange(999_000, 1_022_000)) for _ in range(60)]
    asked += [("u1", one.watermark) for one in sessions if one.user_id == "u1"]
    asked = sorted(set(asked))
    names = ("session_count", "theme_ids", "theme_session_counts", "last_session_id")
    times = pa.array([at for _, at in asked], pa.timestamp("ms", tz="UTC"))
    wanted = pa.table({"user_id": [user for user, _ in asked], "event_timestamp": times}).to_pandas()
    store = feast.FeatureStore(repo_path=str(mos_home.feast_dir))
    found = store.get_historical_features(wanted, [f"user_state:{name}" for name in names]).to_df()
    rows: dict[tuple[str, int], object] = {}
    for user, at, count, *themes, last in found[["user_id", "event_timestamp", *names]].itertuples(index=False):
        if not isnan(count):  # Feast leaves out who came later, or gives them nan
            counts = sorted(f"{theme}:{times}" for theme, times in zip(*themes, strict=True))
            rows[user, round(at.timestamp() * 1000)] = int(count), counts, last
    expected = {(user, at): oracle(sessions, user, at) for user, at in asked}
    assert {place: rows.get(place) for place in expected} == expected
    assert None in expected.values()
    assert sum(value is not None for value in expected.values()) > 40


def test_it_is_bounded_by_days_and_replaced_in_one_step(
    mos_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_model(tmp_path / "model", mos_home)
    sessions = traffic(120)
    kept(mos_home, sessions)
    whole = export_user_history(mos_home, days=7)
    last = sessions[-1].watermark
    newest = {(one.user_id, one.watermark) for one in sessions if one.watermark > last - 5_000}
    assert export_user_history(mos_home, days=5_000 / 86_400_000) == len(newest) < whole

    def damaged(profile: UserProfile) -> None:
        raise OSError(28, "No space left on device")

    before = (mos_home.feast_dir / FILE).read_bytes()
    monkeypatch.setattr("features.user_history._columns", damaged)
    with pytest.raises(Exception, match="No space left"):
        export_user_history(mos_home, days=7)
    assert (mos_home.feast_dir / FILE).read_bytes() == before
    assert [path.name for path in mos_home.feast_dir.glob("*.draft")] == []


def test_an_empty_log_gives_an_empty_file(mos_home: Settings, tmp_path: Path) -> None:
    publish_model(tmp_path / "model", mos_home)
    assert export_user_history(mos_home, days=7) == 0
