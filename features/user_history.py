"""The offline source of the view `user_state`: what the profiles of users were, and from when on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.definitions import USER_STATE
from features.rows import moment, profile_row
from mos_online.users.profile import UserProfile

FILE = f"{USER_STATE}.parquet"
"""In the folder of the Feast repository, where ``features.definitions`` says that it is."""

GROUP = 5_000
"""Rows that are written at once."""

_KINDS = {
    "string_val": pa.string(),
    "int64_val": pa.int64(),
    "string_list_val": pa.list_(pa.string()),
    "int64_list_val": pa.list_(pa.int64()),
    "float_list_val": pa.list_(pa.float32()),
}
_MOMENT = pa.timestamp("ms", tz="UTC")


def write_user_history(folder: Path, profiles: Iterable[UserProfile]) -> int:
    """Write the file in one step; an older one is replaced, and readers of it read on.

    Args:
        folder: of the Feast repository.
        profiles: after each session, those of one user in the order in which they were. Where several of one user are
            of one moment, the last one counts.

    Returns:
        How many rows there are.

    Raises:
        OSError: the file cannot be written.
    """
    draft, rows = folder / f"{FILE}.draft", 0
    kinds = {name: _KINDS[value.WhichOneof("val")] for name, value in profile_row(_TYPICAL)[1].items()}
    schema = pa.schema([("user_id", pa.string()), ("event_timestamp", _MOMENT), *kinds.items()])
    try:
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
            for group in _groups(_last_of_moments(profiles)):
                writer.write_table(pa.Table.from_pylist(list(map(_columns, group)), schema))
                rows += len(group)
        draft.replace(folder / FILE)
    finally:
        draft.unlink(missing_ok=True)
    return rows


_TYPICAL = UserProfile(
    user_id="u",
    item_ids=["i"],
    timestamps=[1],
    categories=["c"],
    session_lengths=[1],
    session_keys=[1],
    session_closes=[1],
    session_themes=[1],
    theme_sessions={1: 1},
    embedding=[1.0],
    theme_weights=[1.0],
)
"""A profile in which nothing is empty: its row shows the type of each feature."""


def _columns(profile: UserProfile) -> dict[str, object]:
    found: dict[str, object] = {"user_id": profile.user_id, "event_timestamp": moment(profile.last_closed_at)}
    for name, value in profile_row(profile)[1].items():
        content = getattr(value, value.WhichOneof("val"))
        found[name] = content.val[:] if hasattr(content, "val") else content
    return found


def _last_of_moments(profiles: Iterable[UserProfile]) -> Iterator[UserProfile]:
    waiting: dict[str, UserProfile] = {}
    for profile in profiles:
        before = waiting.get(profile.user_id)
        waiting[profile.user_id] = profile
        if before is not None and before.last_closed_at != profile.last_closed_at:
            yield before
    yield from waiting.values()


def _groups(profiles: Iterable[UserProfile]) -> Iterator[list[UserProfile]]:
    group: list[UserProfile] = []
    for profile in profiles:
        group.append(profile)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group
