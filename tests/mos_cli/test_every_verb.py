"""What every verb of ``mos`` promises; a new verb is covered as soon as it is in ``COMMANDS``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

import mos_cli
from mos_cli.main import COMMANDS, MODULES, command_line
from mos_online.registry import open_registry
from mos_online.settings import Settings
from mos_online.themes import RouterConfig, fit_router, save_router
from simulator.population import SyntheticConfig, synthesize
from tests.model_folder import put_into_service, write_config
from tests.mos_cli.mos_runs import Answer, Mos


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Commands that do something, by their path; Typer brings its own copy of Click, so types have no names here."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, part in (inner or {}).items():
        yield from walk(part, (*path, name))


ALL: dict[tuple[str, ...], Any] = dict(walk(typer.main.get_command(command_line(list(COMMANDS)))))
OPTIONS = [(path, option) for path, command in ALL.items() for option in command.params if option.name != "help"]


def kinds(path: tuple[str, ...], option: Any) -> set[object]:
    """Types that a value of the option may have."""
    hint = get_type_hints(ALL[path].callback)[option.name]
    return {hint, *get_args(hint)}


NUMBERS = [(path, option) for path, option in OPTIONS if kinds(path, option) & {int, float}]
REQUIRED: dict[str, tuple[str, ...]] = {
    "dataset": ("--dataset", "synthetic"),
    "topic": ("clicks",),
    "name": ("shop",),
    "letter": ("0@0",),
    "file": ("experiments.yaml",),
    "sequence": ("1",),
    **dict.fromkeys(("version", "first", "second"), ("m-1",)),
}
"""Arguments without which a command does not start, by name of the parameter."""


def least(path: tuple[str, ...]) -> list[str]:
    """The command with nothing but what it requires."""
    return [*path, *(word for option in ALL[path].params if option.required for word in REQUIRED[str(option.name)])]


def named(case: tuple[tuple[str, ...], Any]) -> str:
    return " ".join([*case[0], case[1].opts[0]])


def told(answer: Answer, words: str) -> None:
    """The command refused to work: status 2, one clear line, no traceback."""
    assert answer.status == 2, answer
    assert words in answer.err
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.out


def test_every_module_that_is_a_verb_is_listed() -> None:
    modules = [module.name for module in pkgutil.iter_modules(mos_cli.__path__) if not module.name.startswith("_")]
    named = {module: verb for verb, module in MODULES.items()}
    verbs = [
        named.get(name, name.replace("_", "-"))
        for name in modules
        if isinstance(getattr(importlib.import_module(f"mos_cli.{name}"), "app", None), typer.Typer)
    ]
    assert sorted(verbs) == sorted(COMMANDS)
    assert {path[0] for path in ALL} == set(COMMANDS)


def test_alone_it_lists_every_verb_with_what_it_is_for(mos: Mos) -> None:
    answer = mos()
    assert answer.status == 2
    for verb, purpose in COMMANDS.items():
        assert f"{verb} " in answer.out + answer.err
        assert purpose in answer.out + answer.err
    assert mos("--help").status == 0


def test_an_unknown_verb_is_named(mos: Mos) -> None:
    answer = mos("trian")
    assert answer.status == 2
    assert "No such command 'trian'" in answer.err


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_shows_the_whole_docstring_and_every_option(path: tuple[str, ...], flag: str, mos: Mos) -> None:
    answer = mos(*path, flag)
    assert answer.status == 0
    shown = " ".join(answer.out.split())
    assert " ".join(inspect.cleandoc(str(ALL[path].help)).split()) in shown
    for option in ALL[path].params:
        described = getattr(option, "help", None)
        assert described, f"{option.name} is not explained"
        assert described.rstrip().endswith((".", ")"))
        assert " ".join(described.split()) in shown
        assert option.opts[0] in shown.replace("TOPIC", "topic")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_unknown_option_or_word_is_refused(path: tuple[str, ...], mos: Mos) -> None:
    answer = mos(*path, "--nonsense")
    assert (answer.status, answer.out) == (2, "")
    assert "No such option" in answer.err
    assert "--nonsense" in answer.err
    surplus = mos(*least(path), "surplus")
    assert (surplus.status, surplus.out) == (2, "")
    assert "surplus" in surplus.err


@pytest.mark.parametrize("case", NUMBERS, ids=named)
def test_what_is_no_number_is_refused_with_the_name_of_its_option(case: tuple[tuple[str, ...], Any], mos: Mos) -> None:
    path, option = case
    answer = mos(*path, option.opts[0], "many")
    assert (answer.status, answer.out) == (2, "")
    assert option.opts[0] in answer.err
    assert "Traceback" not in answer.err
    lowest = option.min
    if lowest is not None:
        below = mos(*path, option.opts[0], str(lowest - 1))
        assert below.status == 2
        assert option.opts[0] in below.err


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_misspelt_setting_of_the_environment_stops_it(
    path: tuple[str, ...], mos: Mos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_PARTITION", "3")
    told(mos(*least(path)), "unknown setting MOS_PARTITION: did you mean MOS_PARTITIONS?")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_impossible_setting_of_the_environment_stops_it(
    path: tuple[str, ...], mos: Mos, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOS_SERVE_PORT", "a")
    told(mos(*least(path)), "MOS_SERVE_PORT='a'")


def test_without_a_model_it_says_how_to_make_one(mos: Mos) -> None:
    told(mos("backfill"), "mos train")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["worker", "--only", "sessioniser"], "no processor is called sessioniser; there are sessionizer"),
        (["kafka", "--port", "9999"], "--real"),
        (["dead-letters", "show", "17"], "'17' names no dead letter: names are partition@offset"),
        (["dead-letters", "resend", "1@-1"], "'1@-1' names no dead letter"),
        (["dead-letters", "list", "--topic", "dead-letters"], "there are clicks, sessions, session-embeddings"),
        (["dead-letters", "list", "--since", "soon"], "'soon' is no time: write 30m"),
        (["topics", "tail", "click"], "no topic is called click; there are clicks"),
        (["replay", "--speed", "fast"], "600x"),
        (["demo", "--speed", "fast"], "600x"),
        (["replay", "--format", "netflix", "--dataset", "x"], "unknown format 'netflix'; allowed: "),
        (["replay", "--malformed", "0.7", "--skewed", "0.7"], "at most 1"),
        (["replay", "--seed", "-1"], "seed (-1)"),
        (["train", "--until", "soon"], "'soon' is not understood"),
        (["train", "--until", "1.5"], "1.5"),
        (["train", "--backbone", "lstm"], "lstm"),
        (["analyze", "hopping", "--dataset", "a", "--dataset", "b", "--out", "x"], "name one dataset"),
        (["evaluate", "--plan", "huge"], "there are full, quick, walk-forward"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_asked_wrongly_is_told(arguments: list[str], words: str, mos: Mos) -> None:
    told(mos(*arguments), words)


WITH_DATASET = [path for path, command in ALL.items() if any(option.name == "dataset" for option in command.params)]
TO_LOAD: dict[tuple[str, ...], list[str]] = {
    ("evaluate",): ["--plan", "quick", "--backbone", "gru4rec", "--model", "mos", "--jobs", "1", "--seeds", "1"]
}
"""What a verb needs besides before it loads a dataset."""


@pytest.fixture
def model(mos_home: Settings, tmp_path: Path) -> None:
    """A router in service: `mos backfill` asks for one before it loads anything."""
    log = synthesize(SyntheticConfig(users=60, themes=3, items_per_theme=12, themes_per_user=2, days=10))
    save_router(fit_router(log.clicks, log.items, RouterConfig(themes=3)), tmp_path / "model")
    put_into_service(open_registry(mos_home), write_config(tmp_path / "model", "m1"))


def test_datasets_are_explained_the_same_everywhere() -> None:
    assert len(WITH_DATASET) >= 6
    texts = {
        str(getattr(option, "help", ""))
        for path in WITH_DATASET
        for option in ALL[path].params
        if option.name == "dataset"
    }
    assert len({text.split(" May be repeated")[0].split(" (default")[0] for text in texts}) == 1


UNFIT = {
    "nowhere": "no folder to find dataset 'nowhere' in: set MOS_DATA_DIR, give the path",
    "./nowhere": "nowhere/events.parquet does not exist",
    "synthetic:hops=1": "'hops=1' is no setting of the synthetic population",
    "synthetic:hop=2": "synthetic population: hop=2.0, must be between 0 and 1",
}


@pytest.mark.parametrize("path", WITH_DATASET, ids=" ".join)
def test_every_verb_reads_datasets_in_the_same_way(path: tuple[str, ...], mos: Mos, model: None) -> None:
    slow = path == ("evaluate",)  # starts a process for each
    for dataset, words in list(UNFIT.items())[-1 if slow else 0 :]:
        told(mos(*path, "--dataset", dataset, *TO_LOAD.get(path, [])), words)
