"""Two writers of one folder of revisions, both of whom think that they have the lock: none loses in silence."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from queue import Queue

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mos_online.errors import RegistryError
from mos_online.registry.numbered import NumberedFiles
from mos_online.registry.storage import Storage
from tests.registry.crashing import storage

WRITERS = (b"of the first", b"of the second")


class Turns:
    """Lets one of two threads take its next step."""

    def __init__(self) -> None:
        self.arrived: Queue[tuple[int, bool]] = Queue()
        self.go: list[Queue[None]] = [Queue(), Queue()]

    def wait(self, who: int) -> None:
        self.arrived.put((who, False))
        self.go[who].get(timeout=30)

    def take(self, order: list[int]) -> None:
        """Let them go on in this order, and then as they are, until both are done."""
        waiting = dict(self.arrived.get(timeout=30) for _ in range(2))
        while not all(waiting.values()):
            who = order.pop(0) if order else 0
            who = 1 - who if waiting[who] else who
            self.go[who].put(None)
            waiting.update([self.arrived.get(timeout=30)])


class InTurns(Storage):
    """A storage that takes each step when it is told to."""

    def __init__(self, inner: Storage, turns: Turns, who: int) -> None:
        self.label = inner.label
        self._inner = inner
        self._turns = turns
        self._who = who

    def names(self, folder: str) -> list[str]:
        self._turns.wait(self._who)
        return self._inner.names(folder)

    def create(self, path: str, data: bytes) -> None:
        self._turns.wait(self._who)
        self._inner.create(path, data)

    def delete(self, path: str) -> None:
        self._turns.wait(self._who)
        self._inner.delete(path)


def written_by_two(place: Storage, contents: tuple[bytes, bytes], order: list[int]) -> list[str | RegistryError]:
    """What each of them gets: a commit, or an error."""
    turns = Turns()
    found: dict[int, str | RegistryError] = {}

    def write(who: int) -> None:
        try:
            found[who] = NumberedFiles(InTurns(place, turns, who), "f", kept=2).commit(contents[who], lambda: None)
        except RegistryError as error:
            found[who] = error
        finally:
            turns.arrived.put((who, True))

    threads = [threading.Thread(target=write, args=(who,)) for who in (0, 1)]
    for thread in threads:
        thread.start()
    turns.take(order)
    for thread in threads:
        thread.join()
    return [found[0], found[1]]


@pytest.mark.parametrize("kind", ["local", "memory", "plain"])
@settings(max_examples=25)
@given(st.lists(st.integers(0, 1), max_size=12), st.sampled_from([WRITERS, (b"the same", b"the same")]))
@example([0, 1, 0, 1, 0, 1, 0, 1], WRITERS)
@example([0, 0, 1, 1, 1, 1, 0, 0], WRITERS)
def test_of_two_writers_at_once_each_is_in_force_or_is_told_that_it_is_not(
    kind: str, order: list[int], contents: tuple[bytes, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = storage(kind, Path(folder))
        files = NumberedFiles(place, "f", kept=2)
        before = files.commit(b"before", lambda: None)
        found = written_by_two(place, contents, list(order))
        kept = {found[who]: contents[who] for who in (0, 1) if isinstance(found[who], str)}
        for error in found:
            assert isinstance(error, str) or "nothing of yours is in force, run the command again" in str(error)
        newest = files.committed()[-1]
        assert files.read(newest) == kept.get(newest, b"before"), "what is in force is of one who was told so"
        assert newest == max([before, *map(str, kept)])
        assert all(files.read(str(commit)) == content for commit, content in kept.items())
        assert len(kept) == len({str(commit)[:8] for commit in kept}), "in order"
        after = files.commit(b"after", lambda: None)
        assert (files.committed()[-1], files.read(after)) == (after, b"after")


class Failing(Storage):
    """A storage that works until a revision is committed, and fails then in one way."""

    def __init__(self, inner: Storage, failing: str) -> None:
        self.label, self._inner, self._failing = inner.label, inner, failing
        self._committed = False

    def names(self, folder: str) -> list[str]:
        return self._inner.names(folder) if self._works("names") else []

    def create(self, path: str, data: bytes) -> None:
        self._inner.create(path, data)
        self._committed = not path.endswith(".json")

    def delete(self, path: str) -> None:
        if self._works("delete"):
            self._inner.delete(path)

    def _works(self, what: str) -> bool:
        if self._committed and self._failing == what:
            raise RegistryError("away")
        return True


def test_a_registry_that_is_away_after_the_commit_says_that_it_may_be_in_force(tmp_path: Path) -> None:
    place = storage("local", tmp_path)
    with pytest.raises(RegistryError, match=r"revision 1 of f was written and may be in force.* away"):
        NumberedFiles(Failing(place, "names"), "f", kept=1).commit(b"one", lambda: None)
    assert len(NumberedFiles(place, "f", kept=1).committed()) == 1


def test_old_revisions_that_cannot_be_removed_now_are_removed_later(tmp_path: Path) -> None:
    place = storage("local", tmp_path)
    NumberedFiles(place, "f", kept=1).commit(b"one", lambda: None)
    assert NumberedFiles(Failing(place, "delete"), "f", kept=1).commit(b"two", lambda: None).startswith("00000002.")
    files = NumberedFiles(place, "f", kept=1)
    assert len(files.committed()) == 2
    newest = files.commit(b"three", lambda: None)
    assert files.committed() == [newest]
