"""``mos dead-letters list | show | resend``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(no_args_is_help=True)

ReasonOption = Annotated[
    list[str] | None,
    typer.Option("--reason", help="Only those with this reason, such as invalid. May be repeated (default: all)."),
]
ProcessorOption = Annotated[
    str | None, typer.Option("--processor", help="Only those of this processor (default: all).")
]
TopicOption = Annotated[
    str | None,
    typer.Option("--topic", help="Only records of this topic, without MOS_NAMESPACE (default: all)."),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Only those written since then: 30m, 2h, 7d, or an ISO time (UTC) (default: all)."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document a line, with the bytes in base64 (default: a table).")
]


@app.command("list")
def list_letters(
    reason: ReasonOption = None,
    processor: ProcessorOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the dead letters that are on the topic, and why each record could not be used."""
    from mos_cli.dead_letters.reading import choice_of, chosen_letters  # noqa: PLC0415
    from mos_cli.dead_letters.tables import letter_document, letters_table  # noqa: PLC0415

    letters = chosen_letters(choice_of((), reason, processor, topic, since))
    if as_json:
        for found in letters:
            typer.echo(letter_document(found))
    else:
        Console().print(letters_table(letters))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="The dead letter, as `mos dead-letters list` names it, such as 0@17.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document, with the bytes in base64 (default: for people).")
    ] = False,
) -> None:
    """Show one dead letter with the key, the headers and the value of its record."""
    from mos_cli.dead_letters.reading import choice_of, chosen_letters  # noqa: PLC0415
    from mos_cli.dead_letters.tables import letter_document, letter_lines  # noqa: PLC0415
    from mos_online.errors import SettingsError  # noqa: PLC0415

    letters = chosen_letters(choice_of((letter,), None, None, None, None))
    if not letters:
        raise SettingsError(f"there is no dead letter {letter}; `mos dead-letters list` shows those that there are")
    for line in [letter_document(letters[0])] if as_json else letter_lines(letters[0]):
        typer.echo(line)


@app.command()
def resend(
    letters: Annotated[
        list[str] | None, typer.Argument(help="Dead letters, as `mos dead-letters list` names them (default: all).")
    ] = None,
    reason: ReasonOption = None,
    processor: ProcessorOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also records that were sent again before and have failed again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send them (default: only say what would be sent).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line (default: a table).")] = False,
) -> None:
    """Send the records of dead letters again, to the topic and partition where they were, after a fix.

    A record that was cut cannot be sent. Without --yes nothing is sent.
    """
    from mos_cli.dead_letters.reading import choice_of, chosen_letters, sent  # noqa: PLC0415
    from mos_cli.dead_letters.tables import resending_document, resendings_table  # noqa: PLC0415
    from mos_online.settings import settings  # noqa: PLC0415
    from streams.kafka.resending import plan_resending  # noqa: PLC0415

    chosen = chosen_letters(choice_of(tuple(letters or ()), reason, processor, topic, since))
    plan = plan_resending(settings(), chosen, again=again)
    if yes:
        plan = sent(plan)
    if as_json:
        for each in plan:
            typer.echo(resending_document(each, sent=yes and each.refusal is None))
        return
    console = Console()
    console.print(resendings_table(plan, sent=yes))
    count = sum(each.refusal is None for each in plan)
    console.print(f"{count} sent" if yes else f"{count} would be sent; --yes sends them", highlight=False)
