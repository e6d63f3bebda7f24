"""``mos analyze hopping``: the rules of its verdict, and the command as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from evaluation.hopping.analysis import Hopping
from evaluation.hopping.extent import Extent
from evaluation.hopping.hop_rate import Hops
from evaluation.hopping.report import HEADINGS, note, row
from evaluation.hopping.similarity import Similarity
from evaluation.hopping.verdict import MISSING, PRESENT, UNCLEAR, verdict, warnings
from mos_cli.main import command_line
from mos_online.errors import SettingsError
from mos_online.metrics.bootstrap import Comparison
from mos_online.metrics.ranking import Estimate
from mos_online.settings import Settings, settings
from simulator.dataset import DAY_MS
from simulator.datasets import load

SMALL = "synthetic:hop=0.6,users=300,themes=6,items_per_theme=20"

FIGURES = Hopping(
    extent=Extent(
        users=400,
        events=1000,
        items=50,
        sessions=300,
        events_per_user=[1, 5, 10, 15, 20, 30],
        sessions_per_user=[1, 2, 3, 4, 5, 6],
        events_per_session=3.3,
        over_20=0.1,
        over_50=0.0,
        long_histories=0.1,
        one_session=0.1,
        sessions_of_returning=3.0,
        repeats=0.1,
        new_items=0.0,
    ),
    kept_users=1.0,
    measured_users=30,
    themes=2,
    labels=["unrouted", "a", "b"],
    routed=1.0,
    cosine=Similarity(
        inside=0.6,
        across=0.4,
        random=0.4,
        inside_pairs=100,
        across_pairs=100,
        difference=Estimate(mean=0.2, low=0.1, high=0.3),
    ),
    category=None,
    hops=Hops(
        rate=0.4,
        shuffled=0.5,
        shuffled_sd=0.01,
        returns=0.5,
        returns_shuffled=0.6,
        pairs=200,
        users=30,
        difference=Comparison(mean=-0.1, low=-0.15, high=-0.05, p=0.01),
        by_time=0.49,
        beyond_time=Comparison(mean=-0.09, low=-0.14, high=-0.04, p=0.01),
    ),
)


def changed(**parts: dict[str, object]) -> Hopping:
    return msgspec.structs.replace(
        FIGURES, **{name: msgspec.structs.replace(getattr(FIGURES, name), **to) for name, to in parts.items()}
    )


def order(mean: float, low: float, high: float) -> Hopping:
    return changed(hops={"beyond_time": Comparison(mean=mean, low=low, high=high, p=0.5)})


def thematic(low: float, high: float) -> Hopping:
    return changed(cosine={"difference": Estimate(mean=(low + high) / 2, low=low, high=high)})


FEW: dict[str, object] = {"sessions_of_returning": 2.0}


def categories(low: float, high: float) -> Similarity:
    return msgspec.structs.replace(FIGURES.cosine, difference=Estimate(mean=(low + high) / 2, low=low, high=high))


@pytest.mark.parametrize(
    ("figures", "word", "failed"),
    [
        (FIGURES, PRESENT, []),
        (changed(hops={"rate": 0.2}), PRESENT, []),
        (changed(hops={"rate": 0.19}), MISSING, ["users hop"]),
        (msgspec.structs.replace(FIGURES, routed=0.5), PRESENT, []),
        (msgspec.structs.replace(FIGURES, routed=0.49), UNCLEAR, ["users hop"]),
        (thematic(0.051, 0.2), PRESENT, []),
        (thematic(0.04, 0.2), UNCLEAR, ["sessions are thematic"]),
        (thematic(0.01, 0.04), MISSING, ["sessions are thematic"]),
        (changed(extent=FEW), MISSING, ["histories are long enough"]),
        (changed(extent=FEW | {"long_histories": 0.2}), PRESENT, []),
        (changed(extent=FEW | {"over_20": 0.9}), MISSING, ["histories are long enough"]),
        (msgspec.structs.replace(thematic(0.01, 0.04), category=categories(0.06, 0.1)), PRESENT, []),
        (
            msgspec.structs.replace(thematic(0.01, 0.04), category=categories(0.01, 0.1)),
            UNCLEAR,
            ["sessions are thematic"],
        ),
        (
            msgspec.structs.replace(thematic(0.01, 0.04), category=categories(0.01, 0.02)),
            MISSING,
            ["sessions are thematic"],
        ),
        (msgspec.structs.replace(FIGURES, category=categories(0.01, 0.02)), PRESENT, []),
        (changed(extent={"one_session": 0.9}), PRESENT, []),
        (order(0.03, 0.01, 0.05), PRESENT, []),
        (order(-0.019, -0.03, -0.01), UNCLEAR, ["order tells themes"]),
        (order(-0.03, -0.07, 0.01), UNCLEAR, ["order tells themes"]),
        (changed(extent={"new_items": 0.5}), PRESENT, []),
        (changed(hops={"difference": Comparison(mean=0.0, low=-0.1, high=0.1, p=1.0)}), PRESENT, []),
    ],
)
def test_the_verdict_follows_its_rules_and_names_what_failed(figures: Hopping, word: str, failed: list[str]) -> None:
    found = verdict(figures)
    assert found.word == word
    assert [check.name for check in found.checks if check.answer != "yes"] == failed


def test_warnings() -> None:
    assert warnings(FIGURES) == []
    assert ["few users: 199" in text for text in warnings(changed(extent={"users": 199}))] == [True]
    assert warnings(changed(extent={"users": 200})) == []
    assert ["80% of the users have one session" in text for text in warnings(changed(extent={"one_session": 0.8}))] == [
        True
    ]
    beware = changed(extent={"new_items": 0.5})
    assert ["fast catalogue" in text for text in warnings(beware)] == [True]
    assert "16.0% of the users" in warnings(msgspec.structs.replace(FIGURES, kept_users=0.16))[0]


def test_a_row_says_what_its_headings_say() -> None:
    runs = dict(zip(HEADINGS, row("log", FIGURES), strict=True))
    assert runs["hop rate / shuffled / by time"] == "0.400 / 0.500 / 0.490"
    assert runs["rate − shuffled (95 %)"] == "-0.100 (-0.150, -0.050)"
    assert runs["rate − by time (95 %)"] == "-0.090 (-0.140, -0.040)"
    assert "by time (0.490): -0.090" in note("log", FIGURES)


def analyze(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(command_line(["analyze"]), ["analyze", "hopping", *arguments])


def test_a_log_is_judged_drawn_and_written_down(mos_home: Settings) -> None:
    result = analyze("--dataset", SMALL, "--themes", "6")
    assert result.exit_code == 0, result.output
    assert "structure present; how much MoS gains" in result.output
    assert [line for line in result.output.splitlines() if line.startswith("| synthetic") and line.count("|") == 17]
    folder = mos_home.home / "analyze" / SMALL.replace(":", "_")
    written = json.loads((folder / "hopping.json").read_text())
    assert written["verdict"]["word"] == PRESENT
    assert written["figures"]["themes"] == 6
    assert written["figures"]["hops"]["rate"] == pytest.approx(0.6, abs=0.08)
    for name in ("timelines", "hop_rates", "cosines"):
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")
    for label in written["figures"]["labels"]:
        assert label[:20].split("<")[0] in (folder / "timelines.svg").read_text()


def test_out_names_the_folder_of_one_dataset(mos_home: Settings, tmp_path: Path) -> None:
    assert analyze("--dataset", SMALL, "--out", str(tmp_path / "here")).exit_code == 0
    assert (tmp_path / "here" / "hopping.json").exists()
    assert not mos_home.home.exists()
    refused = analyze("--dataset", SMALL, "--dataset", "synthetic", "--out", str(tmp_path))
    assert isinstance(refused.exception, SettingsError)


def test_where_times_are_whole_days_a_session_is_a_day(
    mos_home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = load(SMALL, None)
    folder = tmp_path / "data" / "daily"
    folder.mkdir(parents=True)
    day = pl.col("timestamp") // DAY_MS * 86_400
    events = data.events.select(
        "user_id", "item_id", day.alias("timestamp"), "event_type", value=pl.lit(1.0), session_id=pl.lit(None, pl.Int64)
    )
    events.write_parquet(folder / "events.parquet")
    data.items.with_columns(category_leaf="category").write_parquet(folder / "items.parquet")
    monkeypatch.setenv("MOS_DATA_DIR", str(folder.parent))
    settings.cache_clear()
    assert analyze("--dataset", "daily").exit_code == 0
    written = json.loads((mos_home.home / "analyze" / "daily" / "hopping.json").read_text())
    assert written["figures"]["extent"]["sessions"] == len(events.unique(["user_id", "timestamp"]))
