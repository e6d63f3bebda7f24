"""Profiles and popularity snapshots as rows of Feast, and back.

Rows are built as protobuf by hand: `FeatureStore.push` goes through pandas and Arrow and costs about 5 ms a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from feast.protos.feast.types import Value_pb2
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from mos_online.errors import StoreError
from mos_online.items.distinct_users import BITS
from mos_online.items.snapshot import COUNTS, LISTS, TOTALS, PopularitySnapshot
from mos_online.users.profile import UserProfile

Value: Any = Value_pb2.Value
"""Takes its lists as dicts, which halves their cost; the stubs of protobuf do not know that."""

Values = dict[str, Any]
"""Feature name -> `Value` message."""

Row = tuple[Any, Values, datetime, None]
"""Entity key, values, event timestamp, no created timestamp: what `online_write_batch` takes."""

COMPARED = ("session_count", "last_closed_at", "last_session_id")
"""Features of a profile, one of which changes whenever the profile does: a session that is applied or merged in raises
the count, and the count alone tells a profile that grew in the past from one that did not."""


USERS_BYTES = BITS // 8
"""Bytes of a set of users."""


def user_key(user_id: str) -> Any:
    """Entity key of a row of `user_state`."""
    return EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user_id)])


def partition_key(partition: int) -> Any:
    """Entity key of a row of `item_popularity`."""
    return EntityKey(join_keys=["partition"], entity_values=[Value(int64_val=partition)])


def compared_values(profile: UserProfile | None) -> Values:
    """The features of ``COMPARED`` of a profile's row; none of them if there is no profile."""
    if profile is None:
        return {}
    return {
        "session_count": Value(int64_val=profile.session_count),
        "last_closed_at": Value(int64_val=profile.last_closed_at),
        "last_session_id": Value(string_val=profile.last_session_id),
    }


def profile_row(profile: UserProfile) -> Row:
    """A row of `user_state`. ``embedding`` and ``theme_weights`` are stored as float32."""
    codes: dict[str | None, int] = {None: 0}
    values = {
        "item_ids": _strings(profile.item_ids),
        "timestamps": _ints(profile.timestamps),
        "category_codes": _ints([codes.setdefault(category, len(codes)) for category in profile.categories]),
        "category_names": _strings(name for name in codes if name is not None),
        "session_lengths": _ints(profile.session_lengths),
        "session_keys": _ints(profile.session_keys),
        "session_closes": _ints(profile.session_closes),
        **compared_values(profile),
        "last_ended_at": Value(int64_val=profile.last_ended_at),
        "router_epoch": Value(string_val=profile.router_epoch),
        "session_themes": _ints(profile.session_themes),
        "theme_ids": _ints(profile.theme_sessions),
        "theme_session_counts": _ints(profile.theme_sessions.values()),
        "embedding": Value(float_list_val={"val": profile.embedding}),
        "theme_weights": Value(float_list_val={"val": profile.theme_weights}),
    }
    return user_key(profile.user_id), values, moment(profile.last_closed_at), None


def profile_of(user_id: str, values: Values) -> UserProfile:
    """The profile that `profile_row` wrote.

    Raises:
        StoreError: the row was not written by this version: a feature is missing or its lists do not fit together.
    """
    try:  # ``val[:]`` is a list, made a quarter faster than by ``list(val)``
        profile = UserProfile(
            user_id=user_id,
            item_ids=values["item_ids"].string_list_val.val[:],
            timestamps=values["timestamps"].int64_list_val.val[:],
            categories=_categories(values),
            session_lengths=values["session_lengths"].int64_list_val.val[:],
            session_keys=values["session_keys"].int64_list_val.val[:],
            session_closes=values["session_closes"].int64_list_val.val[:],
            session_count=values["session_count"].int64_val,
            last_ended_at=values["last_ended_at"].int64_val,
            last_closed_at=values["last_closed_at"].int64_val,
            last_session_id=values["last_session_id"].string_val,
            router_epoch=values["router_epoch"].string_val,
            session_themes=values["session_themes"].int64_list_val.val[:],
            theme_sessions=dict(
                zip(
                    values["theme_ids"].int64_list_val.val,
                    values["theme_session_counts"].int64_list_val.val,
                    strict=True,
                )
            ),
            embedding=values["embedding"].float_list_val.val[:],
            theme_weights=values["theme_weights"].float_list_val.val[:],
        )
        _check_lengths(profile)
    except (KeyError, ValueError) as error:
        raise StoreError(_foreign(f"the profile of user {user_id!r}", error)) from None
    return profile


def _categories(values: Values) -> list[str | None]:
    names = [None, *values["category_names"].string_list_val.val]
    try:
        return [names[code] for code in values["category_codes"].int64_list_val.val[:]]
    except IndexError:
        raise ValueError(f"category_codes has a code above {len(names) - 1}, the length of category_names") from None


def _check_lengths(profile: UserProfile) -> None:
    events = sum(profile.session_lengths)
    found = {
        "item_ids": len(profile.item_ids),
        "timestamps": len(profile.timestamps),
        "category_codes": len(profile.categories),
    }
    if any(length != events for length in found.values()):
        raise ValueError(f"session_lengths add up to {events}, but the lists have {found}")
    sessions = {
        "session_lengths": len(profile.session_lengths),
        "session_themes": len(profile.session_themes),
        "session_keys": len(profile.session_keys),
        "session_closes": len(profile.session_closes),
    }
    if len(set(sessions.values())) > 1 or min(profile.session_lengths, default=1) < 1:
        raise ValueError(f"the lists of sessions must be equally long, and each length at least 1: {sessions}")


def popularity_row(snapshot: PopularitySnapshot) -> Row:
    """A row of `item_popularity`."""
    values = {
        "as_of": Value(int64_val=snapshot.as_of),
        "total": Value(double_val=snapshot.total),
        "slow_total": Value(double_val=snapshot.slow_total),
        "start_total": Value(double_val=snapshot.start_total),
        "slow_start_total": Value(double_val=snapshot.slow_start_total),
        "item_ids": _strings(snapshot.item_ids),
        "counts": Value(double_list_val={"val": snapshot.counts}),
        "slow_counts": Value(double_list_val={"val": snapshot.slow_counts}),
        "start_counts": Value(double_list_val={"val": snapshot.start_counts}),
        "slow_start_counts": Value(double_list_val={"val": snapshot.slow_start_counts}),
        "first_seen": _ints(snapshot.first_seen),
        "categories": _strings(snapshot.categories),
        "users": Value(bytes_list_val={"val": [bits.to_bytes(USERS_BYTES) for bits in snapshot.users]}),
        "log_id": Value(string_val=snapshot.log_id),
        "counted_to": Value(int64_val=snapshot.counted_to),
        "read_to": Value(int64_val=snapshot.read_to),
    }
    return partition_key(snapshot.partition), values, moment(snapshot.as_of), None


def popularity_of(partition: int, values: Values) -> PopularitySnapshot:
    """The snapshot that `popularity_row` wrote.

    Raises:
        StoreError: the row was not written by this version.
    """
    try:
        snapshot = PopularitySnapshot(
            partition=partition,
            as_of=values["as_of"].int64_val,
            total=values["total"].double_val,
            slow_total=values["slow_total"].double_val,
            start_total=values["start_total"].double_val,
            slow_start_total=values["slow_start_total"].double_val,
            item_ids=values["item_ids"].string_list_val.val[:],
            counts=values["counts"].double_list_val.val[:],
            slow_counts=values["slow_counts"].double_list_val.val[:],
            start_counts=values["start_counts"].double_list_val.val[:],
            slow_start_counts=values["slow_start_counts"].double_list_val.val[:],
            first_seen=values["first_seen"].int64_list_val.val[:],
            categories=values["categories"].string_list_val.val[:],
            users=[int.from_bytes(bits[:USERS_BYTES]) for bits in values["users"].bytes_list_val.val],
            log_id=values["log_id"].string_val,
            counted_to=values["counted_to"].int64_val,
            read_to=values["read_to"].int64_val,
        )
        _check_columns(snapshot)
    except (KeyError, ValueError) as error:
        raise StoreError(_foreign(f"the popularity of partition {partition}", error)) from None
    return snapshot


def _check_columns(snapshot: PopularitySnapshot) -> None:
    lengths = {name: len(getattr(snapshot, name)) for name in LISTS}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the lists must be equally long, but have {lengths}")
    numbers = np.array([number for name in COUNTS for number in getattr(snapshot, name)])
    numbers = np.append(numbers, [getattr(snapshot, name) for name in TOTALS])
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        raise ValueError("the counts must be finite numbers that are not below 0")


def _foreign(what: str, error: Exception) -> str:
    fault = f"feature {error} is missing" if isinstance(error, KeyError) else str(error)
    return (
        f"{what} in the online store does not follow features/definitions.py: {fault}; another version or another "
        f"program wrote it"
    )


def _strings(values: Iterable[str]) -> Any:
    return Value(string_list_val={"val": values})


def _ints(values: Iterable[int]) -> Any:
    return Value(int64_list_val={"val": values})


def moment(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as Feast takes a moment."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
