"""Reads what is to be judged, and puts the findings together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from mos_cli.findings import Finding, failed
from mos_cli.home import datasets_folder
from mos_cli.validate import judge_clicks, judge_source, judge_use
from mos_cli.validate.topic import read_clicks
from mos_online import contracts
from mos_online.contracts import EventTypes
from mos_online.errors import DatasetError, SettingsError
from mos_online.settings import Settings
from mos_online.themes import RouterConfig
from mos_online.training.prepare import FEWEST_EVENTS
from simulator.dataset import Dataset
from simulator.datasets import ReadOptions, load
from simulator.datasets.report import ReadReport
from simulator.validating.facts import facts_of
from simulator.validating.order import Order

LAST = 100_000
"""Records of a topic that are read unless the user says otherwise."""


def judge_dataset(dataset: str, format_name: str | None, options: ReadOptions, settings: Settings) -> list[Finding]:
    """Judge a log.

    Raises:
        DatasetError: there is no such log, or it cannot be read at all.
    """
    order = Order(lateness=settings.sessions.lateness)
    types = EventTypes.parse(settings.event_types)

    def look(good: pl.DataFrame) -> None:
        kind = good["event_type"]
        order.take(good["timestamp"], counts=kind.is_in(types.of_kind(kind.unique(), "action", "end")))

    options = options._replace(look=look, strict=False)
    log = load(
        dataset, datasets_folder(settings), format_name=format_name, event_types=settings.event_types, options=options
    )
    if log.report is None:  # it was not read, but made
        look(log.events)
    report = log.report
    findings = [] if report is None else list(judge_source.rows(report))
    return [*findings, *_of_log(log, report, order, settings, live=False)]


def judge_topic(topic: str, settings: Settings, *, last: int | None, seconds: float | None) -> list[Finding]:
    """Judge records of a topic.

    Raises:
        SettingsError: it is another topic than ``clicks``.
        BrokerError: Kafka cannot be reached, or there is no such topic.
    """
    if topic != contracts.CLICKS:
        raise SettingsError(f"--topic {topic}: only {contracts.CLICKS} can be validated; we write the other topics")
    if last is not None and seconds is not None:
        raise SettingsError("give either --last, for records that are there, or --seconds, for those that will come")
    found = read_clicks(settings, last=last or LAST, seconds=seconds)
    return [*judge_clicks.records(found), *_of_log(found.log, found.report, found.order, settings, live=True)]


def _of_log(
    log: Dataset, report: ReadReport | None, order: Order, settings: Settings, *, live: bool
) -> Iterator[Finding]:
    """What logs and topics have in common."""
    if log.events.is_empty():
        return
    rules = settings.sessions
    try:
        rules = rules if live else log.session_rules(rules)
    except DatasetError as error:
        yield failed("sessions", error)
        rules = replace(rules, publisher_ids=False)
    facts = facts_of(log, rules, now=time.time_ns() // 1_000_000)
    yield from judge_source.times(facts, report)
    yield judge_source.time_of_day(facts, live=live)
    yield from judge_source.order(order, rules, live=live)
    if not live:
        yield judge_source.repeats(facts.repeats, facts.events)
    yield from judge_use.types(facts, settings.event_types)
    yield from judge_use.sessions(facts.sessions, "" if report is None else report.session)
    if not live:
        yield judge_use.catalogue(facts.items)
        fewest = RouterConfig().table.fewest_items
        yield from judge_use.training(facts, fewest_events=FEWEST_EVENTS, fewest_items=fewest)
