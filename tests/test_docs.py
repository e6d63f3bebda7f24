"""The documentation names only what exists: links, files, commands, settings, targets, tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from typer.main import get_command

from mos_cli.main import COMMANDS, command_line
from mos_online import settings_page
from mos_online.contracts import CLICKS, SESSION_END, Click, Heartbeat, Recommendation, decode_clicks
from mos_online.kafka_config import PARTITIONER, BrokerAddress
from mos_online.model import BACKBONES, MoS
from mos_online.settings import Settings
from mos_online.system_settings import PREFIX
from serving.http.api import RecommendRequest, RecommendResponse
from simulator.datasets import load
from streams.runtime.worker import PROCESSORS
from tests.simulator.datasets import formats_page
from tests.test_architecture import OURS

ROOT = Path(__file__).parent.parent
FOLDERS = (*OURS, "docs", "tests", "benchmarks", "requirements")
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in {"build", "dist"} for part in path.relative_to(ROOT).parts)
]
HISTORY = ROOT / "CHANGELOG.md"
"""It also names what has been renamed."""
PRINTED = {
    *(ROOT / "docs" / name for name in ("topics.md", "settings.md", "formats.md")),
    *(ROOT / "docs/results").glob("*.md"),
}
"""Programs write these."""

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"[<>{}*…]|\.\.\.")
SETTING = re.compile(r"\bMOS_[A-Z0-9_]+")
TEST_NAME = re.compile(r"\btest_[a-z0-9_]+\b(?!\.py)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
LONGEST = 120
GLOSSARY = ROOT / "docs/glossary.md"
STANDARD_TERMS = {
    "attentive mean": "attention pooling",
    "attentive pooling": "attention pooling",
    "rival": "compared model",
    "verb": "command",
    "anew": "again",
    "mend": "fix",
    "worked off": "processed",
    "put into service": "promoted",
    "puts into service": "promotes",
    "border": "boundary",
    "silent": "idle",
    "planted": "synthetic, true",
    "stranger": "other users",
    "fashion": "trend",
}
"""Our private words of the past, and what the field says."""


def pages(*without: Path) -> list[object]:
    chosen = [path for path in PAGES if path not in without]
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in chosen]


def code(text: str) -> Iterator[str]:
    """Inline code, and the lines of code blocks, of which a backslash joins two."""
    for _, block in FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from CODE.findall(FENCE.sub("", text))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(path: Path) -> set[str]:
    text = FENCE.sub("", path.read_text())
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


def targets(path: Path) -> list[str]:
    found = [link or image for link, image in LINK.findall(FENCE.sub("", path.read_text()))]
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def test_there_are_pages() -> None:
    assert {ROOT / "README.md", ROOT / "docs/glossary.md", ROOT / "docs/docker-compose.md"} <= set(PAGES)


@pytest.mark.parametrize("path", pages())
def test_links_lead_somewhere(path: Path) -> None:
    for target in targets(path):
        name, _, anchor = target.partition("#")
        linked = (path.parent / unquote(name)).resolve() if name else path
        assert linked.exists(), f"{target} does not exist"
        assert linked.is_relative_to(ROOT), f"{target} leaves the repository"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), f"{target}: there are {sorted(anchors(linked))}"


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for target in targets(path):
            linked = (path.parent / target.partition("#")[0]).resolve()
            if linked.suffix == ".md":
                waiting.append(linked)
    assert set(PAGES) <= reached


@pytest.mark.parametrize("path", pages(HISTORY))
def test_files_and_modules_exist(path: Path) -> None:
    for snippet in code(path.read_text()):
        for word in re.findall(r"[\w./-]+", snippet):
            if "/" in word and word.split("/")[0] in FOLDERS:
                assert (ROOT / word.rstrip(".")).exists(), f"{word} does not exist"
            elif "." in word and word.split(".")[0] in OURS and "/" not in word and not word.endswith(".parquet"):
                assert _module_exists(word.rstrip(".")), f"{word} does not exist"
            elif word.endswith(".py"):
                assert list(ROOT.glob(word)), f"{word} does not exist; give its path from the root"


def _module_exists(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:length])
        files = [file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file()]
        if files:
            rest = parts[length:]
            return all(re.search(rf"\b{re.escape(part)}\b", files[0].read_text()) for part in rest)
    return False


def commands(text: str) -> Iterator[list[str]]:
    """Arguments of every call of ``mos`` in code, also inside a container."""
    for line in code(text):
        for part in re.split(r"&&|\||;", re.sub(r"(^|\s)#.*", "", line)):
            call = re.search(r"(?:^|\s|/)mos ([a-z].*)$", part.strip())
            if call is not None:
                yield [word for word in shlex.split(call[1]) if word != "..."]


@cache
def command_of_mos() -> Any:
    return get_command(command_line(list(COMMANDS)))


def fault(words: list[str]) -> str | None:
    """What Typer says against a call of ``mos``, which is parsed and not run; a verb by itself is right."""
    command = command_of_mos()
    while words and (inner := getattr(command, "commands", None)) is not None:
        if words[0].startswith("-") and command.invoke_without_command:  # options of its own
            break
        name, *words = words
        if name not in inner:
            return f"there is no {name}"
        command = inner[name]
    if not words:
        return None
    try:
        command.make_context(command.name, list(words))
    except Exception as error:  # of Typer's own copy of Click
        return None if type(error).__name__ == "Exit" else str(error)  # Exit: after --help
    return None


@pytest.mark.parametrize("path", pages(HISTORY))
def test_commands_parse(path: Path) -> None:
    for words in commands(path.read_text()):
        assert fault(words) is None, f"mos {' '.join(words)}: {fault(words)}"
        if "--only" in words:
            assert set(words[words.index("--only") + 1].split(",")) <= PROCESSORS.keys()


@pytest.mark.parametrize("words", ["trains", "train --nothing", "topics tell", "train --themes many", "learn --now"])
def test_a_wrong_command_is_noticed(words: str) -> None:
    assert fault(words.split())


@pytest.mark.parametrize(
    "words", ["train", "topics", "train --themes 3", "topics tail clicks --limit 5", "learn --once"]
)
def test_a_right_command_is_right(words: str) -> None:
    assert fault(words.split()) is None


def test_commands_are_found() -> None:
    text = "```\nA=1 mos train --dataset x && mos up # mos no\n```\nand `docker compose run --rm mos doctor`"
    assert list(commands(text)) == [["train", "--dataset", "x"], ["up"], ["doctor"]]


@pytest.mark.parametrize("path", pages(HISTORY))
def test_settings_exist(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in set(SETTING.findall(path.read_text())):
        assert name in known or (name.endswith("_") and any(one.startswith(name) for one in known)), name


def test_the_page_of_the_settings_is_up_to_date() -> None:
    assert (ROOT / "docs/settings.md").read_text() == settings_page.page(), "run `make schemas`"


def test_the_page_of_the_formats_is_up_to_date() -> None:
    assert (ROOT / "docs/formats.md").read_text() == formats_page.page(), "run `make schemas`"


def test_every_setting_is_described_in_sentences() -> None:
    for name, field in Settings.model_fields.items():
        described = field.description or ""
        assert described[:1].isupper() or described.startswith("`"), name
        assert described.endswith("."), name


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("your-data.md", Click),
        ("output-topics.md", Recommendation),
        ("http-api.md", RecommendRequest),
        ("http-api.md", RecommendResponse),
    ],
)
def test_every_field_is_documented(page: str, message: type[msgspec.Struct]) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert set(message.__struct_fields__) <= set(CODE.findall(text))


def example(page: str, language: str, about: str) -> str:
    """The code block of a page that holds a word."""
    blocks = [block for kind, block in FENCE.findall((ROOT / page).read_text()) if kind == language and about in block]
    assert len(blocks) == 1, f"{page} has {len(blocks)} blocks about {about}"
    return str(blocks[0])


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "documentation", "exec"), names)
    return names


@pytest.mark.parametrize("about", ["8f1c", "clicks"])
def test_the_messages_that_are_shown_are_clicks(about: str) -> None:
    blocks = [block for kind, block in FENCE.findall((ROOT / "docs/your-data.md").read_text()) if kind == "json"]
    for block in [block for block in blocks if about in block]:
        assert isinstance(decode_clicks(block.encode()), list)
    assert isinstance(decode_clicks(b'{"heartbeat": 1760000000000}'), Heartbeat)


def test_the_example_sends_clicks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent: list[tuple[str, str, bytes]] = []
    addresses: list[str] = []

    class Producer:
        def __init__(self, config: dict[str, str]) -> None:
            addresses.append(config["bootstrap.servers"])
            assert config["partitioner"] == PARTITIONER

        def produce(self, topic: str, *, key: str, value: str) -> None:
            sent.append((topic, key, value.encode()))

        def flush(self, seconds: float) -> int:
            return 0

    monkeypatch.setattr("confluent_kafka.Producer", Producer)
    settings = Settings(home=tmp_path)
    settings.broker_file.write_bytes(msgspec.json.encode(BrokerAddress(bootstrap="127.0.0.1:7")))
    monkeypatch.setenv("MOS_HOME", str(tmp_path))
    monkeypatch.delenv("MOS_KAFKA", raising=False)
    code = example("docs/your-data.md", "python", "Producer")
    run(code)
    monkeypatch.setenv("MOS_KAFKA", "cluster:9092")
    run(code)
    assert addresses == ["127.0.0.1:7", "cluster:9092"]
    clicks = [click for topic, _, value in sent if topic == CLICKS for click in _clicks(value)]
    assert [click.user_id for click in clicks] == [key for _, key, _ in sent]
    assert clicks[2].event_type == SESSION_END
    assert len(clicks) == 6


def _clicks(value: bytes) -> list[Click]:
    decoded = decode_clicks(value)
    assert not isinstance(decoded, Heartbeat)
    return decoded


def test_the_example_makes_a_dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    run(example("docs/datasets.md", "python", "polars"))
    dataset = load("./mine", None)
    assert dataset.clicks["timestamp"].to_list() == [1760000000000, 1760000004000]


def test_the_example_of_a_backbone_is_one() -> None:
    before = dict(BACKBONES)
    try:
        assert isinstance(run(example("docs/model.md", "python", "@backbone"))["model"], MoS)
    finally:
        BACKBONES.clear()
        BACKBONES.update(before)


@pytest.mark.parametrize("path", pages(*PRINTED))
def test_lines_are_short_enough_to_read(path: Path) -> None:
    lines = enumerate(path.read_text().splitlines(), 1)
    assert [n for n, line in lines if len(line) > LONGEST and not line.lstrip().startswith("|")] == []


@pytest.mark.parametrize("path", pages(*PRINTED))
def test_words_are_the_standard_terms(path: Path) -> None:
    """The glossary may name a private word in order to explain it."""
    text = prose(path)
    found = {word: term for word, term in STANDARD_TERMS.items() if re.search(rf"\b{word}", text, re.IGNORECASE)}
    assert path == GLOSSARY or not found, f"write the standard term: {found}"


@pytest.mark.parametrize("path", pages(*PRINTED))
def test_sentences_are_whole(path: Path) -> None:
    """Two words are a telegram, unless they are a link, or say "see" or "run"; a small letter begins no sentence."""
    for paragraph in prose(path).split("\n\n"):
        sentences = re.split(r"(?<=[^.][.?!])\s+", " ".join(paragraph.split()))
        for sentence in sentences[1:]:
            if sentence.endswith("."):
                assert len(sentence.split()) > 2 or re.match(r"(?:See|Run) |\[", sentence), f"{path.name}: {sentence!r}"
                assert not sentence[0].islower() or sentence.startswith("fsspec"), f"{path.name}: {sentence!r}"


@pytest.mark.parametrize("telegram", ["It has limits. In memory.", "It is in memory. nothing else is."])
def test_telegrams_are_noticed(telegram: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(telegram)
    with pytest.raises(AssertionError):
        test_sentences_are_whole(path)


def prose(path: Path) -> str:
    """The text of a page without code, tables, headings and the targets of links; each list item is a paragraph."""
    text = re.sub(r"^(?:\||#|!|    ).*$", "", FENCE.sub("", path.read_text()), flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]+`", "`code`", text))
    return re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n", text.replace("**", ""), flags=re.MULTILINE)


@pytest.mark.parametrize("path", pages(HISTORY))
def test_make_targets_exist(path: Path) -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for snippet in code(path.read_text()):
        for target in MAKE.findall(snippet):
            assert target in there, f"make {target}"


@pytest.mark.parametrize("path", pages(HISTORY))
def test_tests_that_are_named_exist(path: Path) -> None:
    for snippet in code(path.read_text()):
        for name in TEST_NAME.findall(snippet):
            if not PLACEHOLDER.search(snippet):
                assert name in _tests(), f"{name} is no test"


@cache
def _tests() -> set[str]:
    found = set[str]()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= {path.stem, *re.findall(r"def (test_\w+)", path.read_text())}
    return found


def test_the_architecture_names_every_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    packages = {path.parent.relative_to(ROOT) for source in OURS for path in (ROOT / source).glob("*/__init__.py")}
    assert {str(path) for path in packages if path.parts[0] != "mos_cli"} <= set(CODE.findall(page))
