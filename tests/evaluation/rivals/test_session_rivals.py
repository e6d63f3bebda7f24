"""HRNN and DSIN beside naive walks over one user at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evaluation.rivals.sessions import DSIN, GAP, HRNN, SessionModel
from mos_online.model import Batch, History, MoSConfig, collate

ITEMS, WIDTH, LONGEST = 20, 8, 8
NOW = 10**9
ALL: dict[str, type[SessionModel]] = {"hrnn": HRNN, "dsin": DSIN}
User = list[tuple[int, int]]
"""Items, and whole seconds since the event before."""


def built(kind: type[SessionModel], gap: float = GAP) -> SessionModel:
    torch.manual_seed(0)
    model = kind(MoSConfig(items=ITEMS, themes=3, width=WIDTH, recent=LONGEST), gap).eval()
    nothing = torch.zeros(ITEMS + 1, dtype=torch.int64)
    model.set_catalogue(nothing, nothing, torch.cat([torch.zeros(1), torch.ones(ITEMS)]))
    return model


MODELS = {name: built(kind) for name, kind in ALL.items()}
every_model = pytest.mark.parametrize("name", ALL)
few = settings(max_examples=30, deadline=None)
pauses = st.sampled_from([0, 60, int(GAP) - 1, int(GAP), int(GAP) + 1, 86_400])
histories = st.lists(st.lists(st.tuples(st.integers(1, ITEMS), pauses), max_size=LONGEST), min_size=1, max_size=5)


def batch_of(users: list[User]) -> Batch:
    made = []
    for user in users:
        since = np.cumsum([pause for _, pause in user], dtype=np.int64) * 1000
        times = NOW - 5000 - (since[-1] - since if len(since) else since)
        items = np.array([item for item, _ in user], np.int64)
        made.append(History(items=items, times=times, now=NOW, rings={}, theme_sessions={}))
    return collate(made)


def sessions_of(user: User, events: Tensor) -> list[Tensor]:
    """The user's events (n, d), cut where the pause before one is longer than the gap."""
    starts = [at for at, (_, pause) in enumerate(user) if at > 0 and pause > GAP]
    return [events[a:b] for a, b in zip([0, *starts], [*starts, len(user)], strict=True)]


def naive_hrnn(model: HRNN, sessions: list[Tensor]) -> Tensor:
    user, state = torch.zeros(WIDTH), torch.zeros(WIDTH)
    for number, session in enumerate(sessions):
        if number > 0:
            user = model.user(state, user)
            state = torch.tanh(model.start(user))
        for event in session:
            state = model.session(event, state)
    return state + sessions[-1][-1]


def naive_dsin(model: DSIN, sessions: list[Tensor]) -> Tensor:
    means = []
    for session in sessions:
        read, _ = model.inside(session.unsqueeze(0), session.unsqueeze(0), session.unsqueeze(0))
        means.append(model.norm(session + read[0]).mean(0))
    states, _ = model.over(torch.stack(means).unsqueeze(0))
    last = sessions[-1][-1]
    weights = (states[0] @ last / WIDTH**0.5).softmax(0)
    state: Tensor = weights @ states[0] + last
    return state


@every_model
@few
@given(users=histories)
@torch.no_grad()
def test_a_batch_equals_a_walk_over_each_user(name: str, users: list[User]) -> None:
    model, batch = MODELS[name], batch_of(users)
    together = model.encode(batch).themed[:, 0]
    for row, user in enumerate(users):
        if not user:
            assert not together[row].any()
            continue
        events = model.event_rows(batch.items[row, : len(user)], batch.ages[row, : len(user)])
        sessions = sessions_of(user, events)
        expected = naive_hrnn(model, sessions) if isinstance(model, HRNN) else naive_dsin(model, sessions)  # type: ignore[arg-type]
        torch.testing.assert_close(together[row], expected, rtol=0, atol=1e-5)


@every_model
@few
@given(users=histories)
@torch.no_grad()
def test_padding_never_matters(name: str, users: list[User]) -> None:
    batch = batch_of(users)
    before = MODELS[name].encode(batch).themed
    batch.items.masked_fill_(~batch.mask, ITEMS)
    batch.ages.masked_fill_(~batch.mask, -1e6)  # as if a session ended before it
    torch.testing.assert_close(MODELS[name].encode(batch).themed, before, rtol=0, atol=1e-5)


@every_model
@torch.no_grad()
def test_nobody_has_a_history(name: str) -> None:
    assert MODELS[name].encode(batch_of([[], []])).themed.tolist() == [[[0.0] * WIDTH]] * 2


@every_model
@torch.no_grad()
def test_where_a_session_ends_matters(name: str) -> None:
    items = [1, 2, 3, 4]
    batch = batch_of([[(item, 1000) for item in items]])
    short, long = (built(ALL[name], gap).encode(batch).themed for gap in (999.0, 1000.0))
    assert not torch.allclose(short, long, atol=1e-4)


def test_a_session_ends_only_past_the_gap() -> None:
    batch = batch_of([[(1, 0), (2, int(GAP)), (3, int(GAP) + 1), (4, 1)], [(1, 0), (2, 86_400)]])
    assert MODELS["hrnn"].borders(batch).tolist() == [[False, False, True, False], [False, True, False, False]]


@every_model
def test_it_learns_through_every_event_and_weight(name: str) -> None:
    model = built(ALL[name])
    batch = batch_of([[(1, 0), (2, 60), (3, 86_400), (4, 60), (5, 86_400), (6, 60)], []])
    vectors = model.encode(batch).themed
    (vectors * torch.arange(WIDTH)).sum().backward()  # not a plain sum: those of layer-normed states are constant
    assert model.item.weight.grad is not None
    assert model.item.weight.grad.any(1).nonzero().flatten().tolist() == [1, 2, 3, 4, 5, 6]
    shared = {"item", "category", "age", "realtime", "realtime_user", "prior", "scale", "repeat", "table"}
    for key, parameter in model.named_parameters():
        if key.split(".")[0] not in shared:
            assert parameter.grad is not None, key
            assert bool(parameter.grad.any()), key
