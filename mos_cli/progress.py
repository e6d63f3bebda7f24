"""The progress bar of every verb that takes its time."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


class _Note(ProgressColumn):
    """The task's field ``note``, if it has one: ``bar.update(task, note="...")``."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))  # in a narrow terminal the bar becomes shorter instead

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("note", ""))


def progress_bar(console: Console, *, counted: bool = True, transient: bool = False) -> Progress:
    """A bar with its description, how much is done, the time taken, the time left and a note.

    Args:
        console: where it is drawn.
        counted: whether progress is a number of things, shown as 3/10; otherwise it is a share, shown as 30%.
        transient: whether the bar disappears when it is done.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        _Note(),
        console=console,
        transient=transient,
    )
