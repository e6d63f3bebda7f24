"""The documents of the topics are up to date, valid, and true of what is sent."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mos_online import contracts
from mos_online.contracts import (
    Assignment,
    Click,
    ClickEnvelope,
    DeadLetter,
    Decision,
    Exploration,
    Fallback,
    Header,
    Heartbeat,
    Impression,
    LateEvent,
    LearningEvent,
    Outcome,
    OutcomeItem,
    RankedItem,
    Recommendation,
    RouterUpdate,
    Session,
    SessionEmbedding,
    SessionEvent,
    encode,
)
from mos_online.contracts.documentation.__main__ import files, write
from mos_online.contracts.documentation.schemas import MESSAGES, asyncapi, json_schema

DOCS = Path(__file__).parent.parent.parent / "docs"

CLICK = Click(event_id="e", user_id="u", item_id="i", timestamp=5, context={"a": [1, None], "b": 0.5, "c": True})
EVENT = SessionEvent(event_id="e", item_id="i", timestamp=5, request_id="r", session_id="s")
SENT: dict[str, list[Any]] = {
    contracts.CLICKS: [CLICK, ClickEnvelope(user_id="u", clicks=[EVENT]), Heartbeat(heartbeat=5)],
    contracts.SESSIONS: [
        Session(session_id="s", user_id="u", started_at=5, ended_at=5, events=[EVENT], close_reason="gap", watermark=6)
    ],
    contracts.LATE_EVENTS: [LateEvent(click=CLICK, watermark=9, late_by=4, partition=0, offset=7)],
    contracts.SESSION_EMBEDDINGS: [
        SessionEmbedding(
            session_id="s",
            user_id="u",
            ended_at=5,
            closed_at=5,
            embedding=[0.5],
            theme=0,
            theme_weights=[],
            router_version="r",
        )
    ],
    contracts.RECOMMENDATIONS: [
        Recommendation(
            request_id="rec-s",
            user_id="u",
            assignments=[Assignment("routing", 1, "online", 0.5)],
            model_version="m",
            router_version="r",
            fallback=fallback,
            items=[RankedItem(item_id="i", score=0.5, theme=1)],
            trigger="session_closed",
            session_id="s",
            created_at=5,
        )
        for fallback in (None, Fallback(source="popularity", reason="unknown_user"))
    ],
    contracts.DECISIONS: [
        Decision(
            request_id="r",
            user_id="u",
            timestamp=5,
            trigger="request",
            items=[RankedItem(item_id="i", score=0.5, theme=1)],
            candidates=9,
            model_version="m",
            router_version="r",
            fallback=fallback,
            assignments=[Assignment("routing", 1, "online", 0.5, "rolled_back")],
            exploration=Exploration(epsilon=0.1, slot=slot, pool=["i", "j"]),
        )
        for fallback, slot in ((None, 0), (Fallback(source="popularity", reason="unknown_user"), None))
    ],
    contracts.IMPRESSIONS: [
        Impression(event_id="e", user_id="u", request_id="r", item_ids=["i"], first_position=3, timestamp=5)
    ],
    contracts.OUTCOMES: [
        Outcome(
            request_id="r",
            user_id="u",
            timestamp=5,
            window_end=9,
            trigger="request",
            shown_by="request",
            items=[
                OutcomeItem(item_id="i", score=0.5, theme=1, position=0, clicks=1, weight=1.0, first_click_after=-2)
            ],
            clicks_by_request=1,
            clicks_by_item=0,
            candidates=9,
            model_version="m",
            router_version="r",
            fallback=None,
        )
    ],
    contracts.LEARNING_EVENTS: [
        LearningEvent(
            event_id="a",
            timestamp=5,
            kind="alarm",
            part="router",
            arm="champion",
            signal="theme_share",
            theme=2,
            action="router",
            reason="more sessions",
            numbers={"before": 0.1, "after": 0.2},
        ),
        LearningEvent(
            event_id="b", timestamp=5, kind="refused", part="model", arm="champion", version="m", reason="-", numbers={}
        ),
    ],
    contracts.ROUTER_UPDATES: [
        RouterUpdate(
            arm="champion",
            epoch="r-1",
            sequence=2,
            version="r-2",
            effective_from=5,
            through_watermark=4,
            through_session="s",
            sessions=1,
            tau=0.5,
            prototypes=b"\1\0\2\0",
            item_ids=["i"],
            rows=b"\1\0\2\0",
            restores=restores,
        )
        for restores in (None, 1)
    ],
    contracts.DEAD_LETTERS: [
        DeadLetter(
            topic="clicks",
            partition=0,
            offset=1,
            processor="sessionizer",
            reason="not_json",
            message="no",
            key=key,
            key_size=len(key or b""),
            raw=raw,
            raw_size=700_000,
            headers=[Header(name="trace", value=key)],
            headers_size=6,
            record_timestamp=5,
            failed_at=6,
        )
        for key, raw in ((None, b"\xff"), (b"u", None))
    ],
}


@cache
def checker(topic: str) -> Any:
    schema = json_schema(topic)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", files())
def test_the_documents_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == files()[name], "run `make schemas`"


def test_no_document_is_left_of_a_topic_that_is_gone(tmp_path: Path) -> None:
    write(tmp_path)
    written = {path.name for path in (tmp_path / "schemas").iterdir()}
    assert {path.name for path in (DOCS / "schemas").iterdir()} == written | {"experiments.json"}


def test_every_topic_has_its_messages() -> None:
    internal = (contracts.ACCEPTED_CLICKS, contracts.SESSIONIZER_CHECKPOINTS, contracts.JOINER_CHECKPOINTS)
    assert (*MESSAGES, *internal) == contracts.TOPICS
    assert {topic: {type(message) for message in sent} for topic, sent in SENT.items()} == {
        topic: set(kinds) for topic, kinds in MESSAGES.items()
    }


@pytest.mark.parametrize("topic", MESSAGES)
def test_what_is_sent_follows_the_schema_and_nothing_else_does(topic: str) -> None:
    check = checker(topic)
    for message in SENT[topic]:
        sent = json.loads(encode(message))
        check.validate(sent)
        for field in json_schema(topic)["$defs"][type(message).__name__]["required"]:
            assert not check.is_valid({name: value for name, value in sent.items() if name != field}), field
            assert not check.is_valid(sent | {field: {"wrong": 1}}), field


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["event_id", "user_id", "item_id", "timestamp", "event_type", "session_id", "request_id"]),
        st.none() | st.text(max_size=300) | st.integers(),
    )
)
def test_a_click_that_follows_the_schema_is_read(fields: dict[str, Any]) -> None:
    sent = {"event_id": "e", "user_id": "u", "item_id": "i", "timestamp": 5} | fields
    if checker(contracts.CLICKS).is_valid(sent):
        contracts.decode_clicks(json.dumps(sent).encode())


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    assert set(document["channels"]) == set(MESSAGES)
    references = set(re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(document)))
    assert len(references) > len(MESSAGES)
    for reference in references:
        found = document
        for step in reference.split("/"):
            found = found[step]


def test_the_page_has_every_topic() -> None:
    assert re.findall(r"^## `(.+)`$", files()["topics.md"], re.MULTILINE) == list(contracts.TOPICS)


def test_the_page_links_to_what_it_describes() -> None:
    page = files()["topics.md"]
    headings = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\(#(\w+)\)", page)) <= {heading.lower() for heading in headings}
