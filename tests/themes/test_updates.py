"""A revision travels as what differs from the base, and arrives byte for byte."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online.contracts import MAX_MESSAGE_BYTES, decode_router_update, encode
from mos_online.errors import ContractError, ModelError
from mos_online.themes.revise import revise
from mos_online.themes.revision_config import RevisionConfig
from mos_online.themes.router import Router
from mos_online.themes.updates import revision_of, shortened, update_of
from tests.themes.test_revise import content, drawn
from tests.themes.test_router_properties import NAMES, ROUTER, random_router

FIXED = {"arm": "champion", "effective_from": 7, "through": (5, "s"), "sessions": 9}


def revised(seed: int, count: int = 30) -> Router:
    return revise(ROUTER, sorted(drawn(seed, count)), RevisionConfig(), sequence=seed + 1)


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.integers(0, 60))
def test_a_revision_arrives_as_it_was_sent(seed: int, count: int) -> None:
    revision = (
        revised(seed, count)
        if count > 2
        else ROUTER.revised([], np.zeros((0, 16)), prototypes=ROUTER.prototypes, tau=0.25, sequence=3)
    )
    sent = encode(update_of(ROUTER, revision, **FIXED))  # type: ignore[arg-type]
    arrived = revision_of(ROUTER, decode_router_update(sent))
    assert content(arrived) == content(revision)
    assert (arrived.epoch, arrived.sequence) == (ROUTER.version, revision.sequence)


def test_only_what_differs_from_the_base_travels() -> None:
    update = update_of(ROUTER, revised(0), **FIXED)  # type: ignore[arg-type]
    assert 0 < len(update.item_ids) <= 32
    assert set(update.item_ids) <= {*NAMES[:30], "new", "newer"}
    assert len(update.rows) == 32 * len(update.item_ids)
    none = ROUTER.revised([], np.zeros((0, 16)), prototypes=ROUTER.prototypes, tau=0.25, sequence=1)
    assert update_of(ROUTER, none, **FIXED).item_ids == []  # type: ignore[arg-type]


def test_a_revision_needs_no_other_revision() -> None:
    """Whatever a reader has seen of the epoch, it ends with the same router."""
    updates = [update_of(ROUTER, revised(seed), **FIXED) for seed in range(3)]  # type: ignore[arg-type]
    alone = revision_of(ROUTER, updates[2])
    for seen in updates[:2]:
        assert revision_of(ROUTER, seen).version != alone.version
    assert content(revision_of(ROUTER, updates[2])) == content(alone)


@pytest.mark.parametrize(("count", "name", "whole"), [(2000, "i", True), (2001, "i", False), (2000, "é" * 250, False)])
def test_more_than_a_message_may_have_is_left_in_the_registry(count: int, name: str, whole: bool) -> None:
    names = [f"{number:06}{name}" for number in range(count)]
    rows = np.tile(ROUTER.prototypes[:1], (count, 1))
    revision = ROUTER.revised(names, rows, prototypes=ROUTER.prototypes, tau=0.3, sequence=1)
    update = update_of(ROUTER, revision, **FIXED)  # type: ignore[arg-type]
    sent = shortened(update, "routers/r/1.json")
    assert len(encode(sent)) < MAX_MESSAGE_BYTES
    assert (sent == update) == whole
    if not whole:
        assert (sent.artefact, sent.item_ids, sent.rows) == ("routers/r/1.json", [], b"")
        with pytest.raises(ModelError, match=r"has its rows in routers/r/1\.json"):
            revision_of(ROUTER, sent)


def test_what_does_not_fit_is_refused() -> None:
    update = update_of(ROUTER, revised(0), **FIXED)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="is of epoch"):
        revision_of(random_router(1), update)
    broken = [
        msgspec.structs.replace(update, tau=0.9),
        msgspec.structs.replace(update, rows=update.rows[:-2]),
        msgspec.structs.replace(update, rows=update.rows[32:]),
        msgspec.structs.replace(update, rows=bytes(len(update.rows))),
        msgspec.structs.replace(update, prototypes=update.prototypes[:-4]),
    ]
    for one in broken:
        with pytest.raises(ModelError, match=r"is damaged|a routing table|routing rows"):
            revision_of(ROUTER, one)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"arm":1}'])
def test_what_is_no_revision_is_refused(raw: bytes) -> None:
    with pytest.raises(ContractError, match="no revision of a router"):
        decode_router_update(raw)


def test_rows_without_items_are_refused() -> None:
    update = update_of(ROUTER, revised(0), **FIXED)  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="bytes of rows for 0 items"):
        decode_router_update(encode(msgspec.structs.replace(update, item_ids=[])))
