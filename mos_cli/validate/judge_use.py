"""Judges what a log is good for: its types of events, sessions and items, and whether a model can be trained on it."""

from __future__ import annotations

from collections.abc import Iterator

from mos_cli.findings import Finding, Status
from mos_online.contracts import EventTypes
from simulator.validating.facts import Facts, Items, Sessions

SHOWN = 8
USEFUL_EVENTS, USEFUL_USERS, USEFUL_SESSIONS = 10_000, 100, 1_000
"""With fewer, training works, but what the model learns is little."""
GIANT = 0.2
"""A user with a larger share of the events is thought to be many."""
ENOUGH_COVERED = 0.9
"""Share of the actions whose item should be in the catalogue."""


def types(facts: Facts, table: str) -> Iterator[Finding]:
    """What users did, and whether the settings say what it means."""
    part = "event types"
    if not facts.events:
        return
    meaning = EventTypes.parse(table)
    named = ", ".join(f"{kind} {count:,}" for kind, count in list(facts.types.items())[:SHOWN])
    more = f" and {len(facts.types) - SHOWN} more" if len(facts.types) > SHOWN else ""
    if not any(meaning[kind].kind == "action" for kind in facts.types):
        yield Finding(
            part=part,
            status=Status.FAIL,
            found=f"{named}{more}: none is an action",
            remedy="no event gets into a profile. Say in MOS_EVENT_TYPES which types are actions",
        )
        return
    unknown = [kind for kind in facts.types if not meaning[kind].declared]
    if unknown:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{named}{more}; MOS_EVENT_TYPES does not name {', '.join(map(repr, unknown[:SHOWN]))}",
            remedy="they count as all others do (*). Name them, so that a purchase weighs more than a view",
        )
        return
    yield Finding(part=part, status=Status.PASS, found=f"{named}{more}")


def sessions(found: Sessions, meaning: str) -> Iterator[Finding]:
    """How many sessions users have, how long these are, and what a session is, in words."""
    part = "sessions"
    if not found.sessions:
        return
    if meaning:
        yield Finding(part=part, status=Status.INFO, found=f"a session is {meaning}")
    per_user, length = found.sessions / found.users, found.events / found.sessions
    words = f"{found.sessions:,} of {found.users:,} users, {per_user:.1f} each, {length:.1f} events long"
    if found.alone == found.users and found.users > 1:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{words}; no user has a second one",
            remedy="profiles stay at one session, so nobody's past can be used: is the user column an id of sessions?",
        )
    else:
        alone = f"; {found.alone / found.users:.0%} of the users have one only"
        yield Finding(part=part, status=Status.PASS, found=words + alone)
    user, most = found.largest_user
    if found.users > 1 and most > GIANT * found.events and found.events > USEFUL_USERS:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"user {user!r} has {most:,} of {found.events:,} events",
            remedy="is it a word for people without an id, or a robot? Give them ids of their own, or leave them out",
        )
    if found.capped > GIANT * found.sessions:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{found.capped:,} sessions are cut because they are too long",
            remedy="users do not pause for MOS_SESSION_GAP. Set a shorter gap, or MOS_SESSION_PUBLISHER_IDS=true if "
            "the log has session ids",
        )


def catalogue(items: Items) -> Finding:
    """Whether the items that users acted on are known."""
    part = "catalogue"
    if not items.catalogue:
        return Finding(
            part=part,
            status=Status.INFO,
            found=f"none; the events have {items.seen:,} items",
            remedy="new items have neither texts nor a category to be placed by: `mos import --items`",
        )
    share = items.covered / items.events if items.events else 0.0
    words = f"{items.catalogue:,} items, of which {items.unseen:,} have no event; {share:.1%} of the events fit it"
    if not items.covered:
        return Finding(
            part=part,
            status=Status.FAIL,
            found=words,
            remedy="every command refuses this log: are the ids of the events those of the catalogue?",
        )
    if share < ENOUGH_COVERED:
        return Finding(
            part=part,
            status=Status.WARN,
            found=words,
            remedy="items outside of it have no title and no category: is the catalogue of another day?",
        )
    described = items.described / items.events
    if described < ENOUGH_COVERED:
        return Finding(
            part=part,
            status=Status.INFO,
            found=f"{words}; {described:.1%} have a category",
            remedy="an item that is younger than the model is placed by its category and its texts",
        )
    return Finding(part=part, status=Status.PASS, found=words)


def training(facts: Facts, *, fewest_events: int, fewest_items: int) -> Iterator[Finding]:
    """Whether a model can be trained, and whether it is likely to be of use."""
    part = "training"
    found, items = facts.sessions, facts.items
    short = {
        "events": (items.events, fewest_events, USEFUL_EVENTS, "take a longer log"),
        "items": (items.seen, fewest_items, fewest_items, "a longer log of the same items does not help"),
        "sessions of several items": (found.joint, 1, USEFUL_SESSIONS, "themes are learned from items of one session"),
        "items that share a session in the older half": (
            found.sharing,
            fewest_items,
            fewest_items,
            "themes are learned from items of one session: is MOS_SESSION_GAP too short?",
        ),
        "users": (found.users, 1, USEFUL_USERS, "the model learns from many people's pasts"),
    }
    for what, (count, fewest, useful, remedy) in short.items():
        if count < fewest:
            yield Finding(
                part=part,
                status=Status.FAIL,
                found=f"{count:,} {what}: `mos train` needs at least {fewest:,}",
                remedy=remedy,
            )
        elif count < useful:
            yield Finding(
                part=part,
                status=Status.WARN,
                found=f"{count:,} {what}: `mos train` works, but a useful model needs {useful:,} or more",
                remedy=remedy,
            )
    if all(count >= useful for count, _, useful, _ in short.values()):
        counts = ", ".join(f"{count:,} {what}" for what, (count, *_) in short.items())
        yield Finding(part=part, status=Status.PASS, found=counts)
