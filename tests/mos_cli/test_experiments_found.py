"""``mos experiments status`` and ``report``: what the learner has found, for people and for programs."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from mos_online.experiments.counting import Counting
from mos_online.experiments.plan import Guardrail
from mos_online.experiments.result import ExperimentResult
from mos_online.experiments.trials import Trials
from mos_online.learning.kept_results import FOLDER, read_results, write_result
from mos_online.settings import Settings
from tests.experiments.test_trial_verdicts import PLAN, clicks, run
from tests.mos_cli.mos_runs import Mos

GUARDED = msgspec.structs.replace(
    PLAN,
    secondary=["conversion"],
    guardrails=[
        Guardrail(metric="fallback", margin=0.2),
        Guardrail(metric="coverage", margin=0.2),
        Guardrail(metric="theme-exposure", margin=0.75),
        Guardrail(metric="popularity-lift", margin=0.2),
    ],
)


@pytest.fixture(scope="module")
def found() -> ExperimentResult:
    return run(clicks({"a": 0.3, "b": 0.5}), GUARDED, users=1_500)


class Page(HTMLParser):
    """Gathers tags, the text, and what is loaded from elsewhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.loaded: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [
            str(value) for name, value in attrs if name in {"src", "href"} and not str(value).startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_status_and_report_say_what_was_found(
    mos: Mos, mos_home: Settings, tmp_path: Path, found: ExperimentResult
) -> None:
    write_result(mos_home.learning_dir, found)
    told = mos("experiments", "status", "--experiment", "routing").out
    assert "ship" in told
    assert "routing/1" in told
    assert json.loads(mos("experiments", "status", "--json").out)[0]["verdicts"]["b"]["word"] == "ship"

    path = tmp_path / "page.html"
    assert mos("experiments", "report", "--to", str(path)).status == 0
    page = Page(path)
    assert page.tags.count("svg") == 4
    assert page.loaded == []
    for words in ("b: ship.", "1,500", "conversion", "theme-exposure, theme", "not known yet", "do not say"):
        assert words in page.text
    (told_by_json,) = json.loads(path.with_suffix(".json").read_text())
    assert msgspec.convert(told_by_json, ExperimentResult, strict=False) == found


def test_a_mismatch_hides_the_numbers(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    better = clicks({"a": 0.3, "b": 0.5})
    hidden = run(lambda rng, user, _, at: better(rng, user, "a", at), users=1_200)
    write_result(mos_home.learning_dir, hidden)
    assert "hidden" in mos("experiments", "status").out
    path = tmp_path / "page.html"
    mos("experiments", "report", "--to", str(path))
    page = Page(path)
    assert "sample ratio mismatch" in page.text
    assert "difference" not in page.text.replace("The difference", "").replace("the difference", "")
    assert page.tags.count("svg") == 0


def test_an_experiment_of_which_nothing_is_known_is_shown(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    fresh = Trials(Counting(), feedback_window=1, session_gap=1).start(GUARDED).result()
    write_result(mos_home.learning_dir, fresh)
    assert "no outcome has come yet" in " ".join(mos("experiments", "status").out.split())
    path = tmp_path / "page.html"
    assert mos("experiments", "report", "--to", str(path)).status == 0
    assert "nobody is exposed yet" in Page(path).text


def test_how_many_users_of_which_arm_are_missing_is_told(mos: Mos, mos_home: Settings, tmp_path: Path) -> None:
    few = run(clicks({"a": 0.3, "b": 0.3}), GUARDED, users=100)
    write_result(mos_home.learning_dir, few)
    (primary,) = (arm.primary for arm in few.arms)
    control, treated = primary.missing
    assert control + treated + 100 in {400, 401}
    told = f"about {control} more finished users of a and {treated} more finished users of b are needed"
    assert told in " ".join(mos("experiments", "status").out.replace("|", "").split())
    path = tmp_path / "page.html"
    mos("experiments", "report", "--to", str(path))
    assert Page(path).text.count(f"not known yet: {told}") >= 2


def test_what_there_is_not_is_told(mos: Mos, mos_home: Settings, found: ExperimentResult) -> None:
    assert "has no results: `mos learn` writes them" in mos("experiments", "status").err
    write_result(mos_home.learning_dir, found)
    assert (
        "there is no experiment other; there are routing" in mos("experiments", "report", "--experiment", "other").err
    )
    assert "choose another place with --to" in mos("experiments", "report", "--to", "/nowhere/page.html").err
    (mos_home.learning_dir / FOLDER / "routing.1.json").write_text("{")
    assert "remove it, and `mos learn` writes it again" in mos("experiments", "status").err


def test_results_are_read_back_as_they_were(tmp_path: Path, found: ExperimentResult) -> None:
    write_result(tmp_path, found)
    write_result(tmp_path, found)
    assert read_results(tmp_path) == [found]
