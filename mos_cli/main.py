"""Entry point of the ``mos`` command: one module of ``mos_cli`` per verb, imported when it is called."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape

from mos_online.errors import MosError

# Threads of torch that wait for each other by spinning ruin each other when anything else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DISK_FAULTS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
    *(FULL := {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}),
}
"""Errors of the machine's disks, not of ours: no traceback for them."""

COMMANDS = {
    "demo": "Run the whole system on this machine: train, start everything, replay a log, report.",
    "up": "Start all services (Kafka if embedded, worker, serve) and keep them until stopped.",
    "kafka": "A Kafka broker for development: embedded in memory, or Apache Kafka with --real.",
    "worker": "The stream processor: sessions, profiles, recommendations.",
    "serve": "The recommendation service (Ray Serve): POST /v1/recommend.",
    "learn": "Learn from the stream: what it has learned, and the process that learns.",
    "keys": "API keys of the recommendation service.",
    "import": "Make a dataset of a click log: CSV, JSON lines, Parquet, or a public format.",
    "validate": "Check a log or a running topic: what is wrong, what it will mean, what to do.",
    "train": "Train themes and a MoS model on a dataset, and put it into service.",
    "models": "The model registry: list, show and compare versions, promote one, roll back.",
    "routers": "The revisions of the router: list and show them, roll back.",
    "experiments": "A/B tests: who gets which model, router and fast weights.",
    "evaluate": "Compare MoS with other models under one protocol, with intervals; resumable.",
    "analyze": "Measure a log: do its users hop between themes?",
    "backfill": "Write the profiles of past users into the online store.",
    "replay": "Replay a dataset as clicks at a chosen speed.",
    "simulate": "Users who answer recommendations: of an experiment, of a model, or of a running service.",
    "topics": "List, create and tail topics.",
    "dead-letters": "The records that could not be used: list, show, and send them again.",
    "doctor": "Check Kafka, store, model, ports and versions, and say how to fix what is wrong.",
}

MODULES = {"import": "import_log"}
"""Verbs whose name cannot be that of a module."""


def command_line(verbs: Sequence[str]) -> typer.Typer:
    """The Typer application with these verbs; each is a module of ``mos_cli``."""
    mos = typer.Typer(
        name="mos",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    mos.callback()(_about)
    for verb in verbs:
        app: typer.Typer = importlib.import_module(f"mos_cli.{MODULES.get(verb, verb.replace('-', '_'))}").app
        if len(app.registered_commands) == 1 and app.registered_callback is None:
            (only,) = app.registered_commands
            only.name, only.short_help = verb, COMMANDS[verb]
            mos.registered_commands.append(only)
        else:
            mos.add_typer(app, name=verb, help=COMMANDS[verb])
    return mos


def _about() -> None:
    """Streaming sessions, themes and Mixture-of-Sequence recommendations.

    Settings are MOS_* environment variables; `mos doctor --settings` lists them.
    """


def main() -> None:
    """Run the command line; a deliberate error becomes one readable message and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    os.umask(os.umask(0o077) | 0o022)  # whatever the umask was: nobody else may change what we write
    asked = [argument for argument in sys.argv[1:2] if argument in COMMANDS]
    try:
        command_line(asked or list(COMMANDS))(prog_name="mos")
    except MosError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in DISK_FAULTS or (error.filename is None and error.errno not in FULL):
            raise
        if error.filename is None:
            _fail(
                f"a file cannot be written: {error.strerror}; free some space below MOS_HOME and in the folder of "
                "temporary files: `mos doctor` looks at MOS_HOME"
            )
        _fail(
            f"{error.filename}: {error.strerror}; a file or folder of this name cannot be used. Everything is written "
            "below MOS_HOME: `mos doctor` looks at it"
        )


def _fail(message: str) -> None:
    Console(stderr=True).print(f"[bold red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(2)
