"""Which item is where on which ring, before and after the planted drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mos_online.arrays import Ints
from simulator.loop.config import Drift
from simulator.population import Population

NOWHERE = -1
"""The ring of an item that nobody wants."""


@dataclass(frozen=True, kw_only=True)
class Rings:
    """The places of items at one time.

    Attributes:
        items: int64 (rings, places), the item in each place.
        ring, place: int64 (items,), of each item; ring ``NOWHERE`` if it is in none.
        owned: bool (users, rings).
        choices: int64 (users, owned rings), the same as numbers.
    """

    items: Ints
    ring: Ints
    place: Ints
    owned: NDArray[np.bool_]
    choices: Ints


@dataclass(frozen=True, kw_only=True)
class World:
    """All items that there will ever be, and where they are.

    Attributes:
        names: item_id of each item, those of the population first.
        categories: of each item: the ring in which it begins.
        before, after: the drift; the same if there is none.
        drift_at: ms after the start; None if there is none.
    """

    names: list[str]
    categories: list[str]
    before: Rings
    after: Rings
    drift_at: int | None

    @classmethod
    def of(cls, population: Population, drift: Drift | None, seed: int) -> World:
        """The world of a population, in which ``drift`` is planted."""
        config = population.config
        slots = np.arange(config.themes * config.items_per_theme)
        shape = (config.themes, config.items_per_theme)
        names = population.dataset.items["item_id"].to_list()
        categories = population.dataset.items["category"].to_list()
        first = slots.copy().reshape(shape)
        if drift is None:
            rings = _rings(first, len(names), population.owned)
            return cls(names=names, categories=categories, before=rings, after=rings, drift_at=None)
        rng = np.random.default_rng([seed, 1])
        moved = rng.permutation(slots)[: round(drift.moved * len(slots))]
        slots[moved] = slots[rng.permutation(moved)]
        replaced = rng.permutation(len(slots))[: round(drift.replaced * len(slots))]
        slots[replaced] = len(names) + np.arange(len(replaced))
        themes = [categories[ring * config.items_per_theme] for ring in (replaced // config.items_per_theme).tolist()]
        names += [f"{theme}-new-{number:03}" for number, theme in enumerate(themes)]
        owned = _with_trend(population.owned, drift.trend, config.themes, rng)
        return cls(
            names=names,
            categories=categories + themes,
            before=_rings(first, len(names), population.owned),
            after=_rings(slots.reshape(shape), len(names), owned),
            drift_at=drift.at,
        )


def _rings(items: Ints, count: int, choices: Ints) -> Rings:
    rings, places = items.shape
    ring, place = np.full(count, NOWHERE), np.zeros(count, np.int64)
    ring[items.ravel()] = np.repeat(np.arange(rings), places)
    place[items.ravel()] = np.tile(np.arange(places), rings)
    owned = np.zeros((len(choices), rings), bool)
    np.put_along_axis(owned, choices, values=True, axis=1)
    return Rings(items=items, ring=ring, place=place, owned=owned, choices=choices)


def _with_trend(choices: Ints, share: float, rings: int, rng: np.random.Generator) -> Ints:
    """Some users, who do not own it, give up their last ring for one that all of them take."""
    popular = int(rng.integers(rings))
    without = np.flatnonzero((choices != popular).all(axis=1))
    some = rng.permutation(without)[: round(share * len(without))]
    changed = choices.copy()
    changed[some, -1] = popular
    return changed
