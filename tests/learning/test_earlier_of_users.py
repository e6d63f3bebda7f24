"""The process of a fine-tuning reads what users did before from the online store."""

from __future__ import annotations

from features.store import OnlineStore
from learning.tuning_process import earlier_of
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from tests.learning.records import session


def test_the_profiles_of_the_users_of_the_log_are_read(mos_home: Settings) -> None:
    store = OnlineStore.open(mos_home)
    store.write_profiles(
        UserProfile(
            user_id=user,
            item_ids=["a", user],
            timestamps=[10, 20],
            categories=[None, None],
            session_lengths=[2],
            session_themes=[1],
            session_keys=[1],
            session_closes=[30],
            session_count=1,
        )
        for user in ("u", "v", "w")
    )
    store.close()
    kept = [session(user, number, closed_at=1000 + number) for number, user in enumerate(["u", "v", "new"])]
    found = earlier_of(mos_home, kept, 100)
    assert sorted((one.user_id, [event.item_id for event in one.events]) for one in found) == [
        ("u", ["a", "u"]),
        ("v", ["a", "v"]),
    ]
    assert earlier_of(mos_home, kept, 0) == []
    assert earlier_of(mos_home, [], 100) == []
