"""A merge is the profile of the union of two sets of sessions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mos_online.contracts import Click, Session
from mos_online.users.merge import merge_profiles
from mos_online.users.profile import UserProfile
from tests.users.test_invariants import NEW, OLD, SIZES, applied, closed, logs

PARTS = st.lists(st.sampled_from(["both", "first", "second"]), min_size=60, max_size=60)


def part(sessions: Sequence[Session], parts: Sequence[str], name: str) -> list[Session]:
    return [session for session, where in zip(sessions, parts, strict=False) if where in ("both", name)]


def of_user(sessions: Sequence[Session], router: object = OLD) -> UserProfile:
    return applied(sessions, by=router).get("u", UserProfile(user_id="u"))  # type: ignore[arg-type]


def events(profile: UserProfile) -> dict[str, object]:
    """All but the counts."""
    whole: dict[str, object] = msgspec.structs.asdict(profile)
    return {name: value for name, value in whole.items() if name not in ("session_count", "theme_sessions")}


@given(logs(), PARTS)
def test_it_is_the_profile_of_all_sessions_of_both(clicks: list[Click], parts: list[str]) -> None:
    sessions = [session for session in closed(clicks) if session.user_id == "u"]
    first, second = (of_user(part(sessions, parts, name)) for name in ("first", "second"))
    whole = of_user(sessions)
    for one, other in ((first, second), (second, first)):
        merged = merge_profiles(one, other, OLD, SIZES)
        assert events(merged) == events(whole)
        assert max(one.session_count, other.session_count) <= merged.session_count <= whole.session_count
        if len(one.session_keys) == one.session_count and len(other.session_keys) == other.session_count:
            assert merged == whole  # nothing had been dropped of either, so the counts are exact, too
        assert merge_profiles(merged, one, OLD, SIZES) is merged
        assert merge_profiles(merged, other, OLD, SIZES) is merged


@given(logs(), st.integers(0, 60), st.integers(0, 60))
def test_a_lost_store_is_healed_with_its_counts(clicks: list[Click], lost: int, rebuilt: int) -> None:
    """The worker has gone on from nothing after ``lost`` sessions; the log holds those up to ``rebuilt``."""
    sessions = [session for session in closed(clicks) if session.user_id == "u"]
    since, log = of_user(sessions[lost:]), of_user(sessions[: max(lost, rebuilt)])
    merged = merge_profiles(since, log, OLD, SIZES)
    whole = of_user(sessions)
    assert events(merged) == events(whole)
    if len(since.session_keys) == since.session_count:
        assert merged == whole


@given(logs(), PARTS)
def test_profiles_of_two_routers_are_merged_under_the_one_in_service(clicks: list[Click], parts: list[str]) -> None:
    sessions = [session for session in closed(clicks) if session.user_id == "u"]
    old = of_user(part(sessions, parts, "first"), OLD)
    new = of_user(part(sessions, parts, "second"), NEW)
    for one, other in ((old, new), (new, old)):
        merged = merge_profiles(one, other, NEW, SIZES)
        if merged is one:
            continue
        assert merged.router_epoch == NEW.epoch
        assert merged.session_themes == NEW.session_themes(merged.item_ids, merged.categories, merged.session_lengths)
        assert set(merged.session_keys) <= set(old.session_keys) | set(new.session_keys)
        last = max(sessions, key=lambda session: (session.watermark, session.session_id))
        assert merged.last_session_id in {old.last_session_id, new.last_session_id}
        if merged.last_session_id == last.session_id and merged.session_closes[-1:] == [last.watermark]:
            assert merged.embedding == NEW.route(last).embedding


def test_of_a_session_that_a_log_cut_off_the_whole_one_counts() -> None:
    whole = of_user(closed([click("a1", 1000), click("a2", 1040), click("b1", 1080)]))
    cut = of_user(closed([click("a1", 1000), click("a2", 1040)]))
    assert whole.session_keys == cut.session_keys
    assert merge_profiles(cut, whole, OLD, SIZES).item_ids == ["a1", "a2", "b1"]
    assert merge_profiles(whole, cut, OLD, SIZES) is whole


def click(item: str, timestamp: int) -> Click:
    return Click(user_id="u", event_id=f"e{timestamp}", item_id=item, timestamp=timestamp)
