"""Runs our application on a Ray of this machine, or on the Ray cluster of RAY_ADDRESS."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from mos_online.errors import ModelError, ServingError
from mos_online.processes import living
from mos_online.settings import Settings
from serving.ray.deployed import Deployed
from serving.ray.environment import prepare_environment

OBJECT_STORE_BYTES = 80 * 2**20
"""Ray's smallest; requests do not pass through it."""


@contextmanager
def local_application(settings: Settings, folder: Path) -> Iterator[Callable[[], None]]:
    """Run Ray and the application on this machine; both are gone when the context ends.

    Args:
        settings: of the application.
        folder: see ``serving.ray.run.run_folder``.

    Yields:
        A check that raises ServingError once Ray has died under the application.

    Raises:
        ModelError: a replica cannot read the model.
        ServingError: Ray or the application does not start.
    """
    settings = settings.with_absolute_paths()
    behind_haproxy = prepare_environment(folder, settings)
    if settings.pages_need_key and not behind_haproxy:
        raise ServingError("MOS_PAGES_NEED_KEY closes Ray's own pages too, and that needs HAProxy, which is not here")
    import ray  # noqa: PLC0415 - reads the environment when it is imported

    metrics = folder / "metrics"
    metrics.mkdir()
    place = _Place(
        # HAProxy listens where the settings say, and nothing that is behind it does.
        host="127.0.0.1" if behind_haproxy else settings.serve_host,
        location="HeadOnly",
        deployed=Deployed(local=True, behind_haproxy=behind_haproxy, metrics_folder=str(metrics)),
    )
    with start_ray(settings, folder, cpus=settings.serve_replicas + 1, object_store=OBJECT_STORE_BYTES):
        core = living(psutil.Process().children(), lambda child: child.name() in {"gcs_server", "raylet"})
        try:
            with _application(settings, place):
                yield lambda: _check(core)
        except (ConnectionError, TimeoutError, ray.exceptions.RayError) as error:
            raise _no_start(settings, error) from None


@contextmanager
def start_ray(
    settings: Settings, folder: Path, *, cpus: int, object_store: int | None = None, quiet: bool = False
) -> Iterator[None]:
    """Start Ray on this machine, for the length of the context.

    Args:
        settings: of MOS_HOME, for messages.
        folder: nobody else can enter it; Ray's files go there.
        cpus: logical ones; processes share the cores there are.
        object_store: bytes; None lets Ray choose.
        quiet: whether what Ray's processes log stays in its files.

    Raises:
        ServingError: it does not start.
    """
    import ray  # noqa: PLC0415 - reads the environment when it is imported

    try:
        _init(settings, folder, cpus, object_store, quiet)
        yield
    finally:
        ray.shutdown()


def _init(settings: Settings, folder: Path, cpus: int, object_store: int | None, quiet: bool) -> None:
    import ray  # noqa: PLC0415

    try:
        with chdir(folder):  # Ray's processes import from the current folder first
            ray.init(
                "local",
                num_cpus=cpus,
                object_store_memory=object_store,
                include_dashboard=False,
                log_to_driver=not quiet,
                configure_logging=False,
                _temp_dir=str(folder / "r"),  # Ray lets everybody write there; ``folder`` is closed
            )
    except Exception as error:  # a start that takes too long is a plain Exception of Ray
        raise _no_start(settings, error) from None


def _no_start(settings: Settings, error: Exception) -> ServingError:
    said = " ".join(str(error).split())
    return ServingError(
        f"Ray does not start: {said or type(error).__name__}; start it again when the machine is less busy. Ray's logs "
        f"are in {settings.home / 'logs'}"
    )


@contextmanager
def cluster_application(settings: Settings) -> Iterator[None]:
    """Run the application on the cluster of RAY_ADDRESS; when the context ends, only the application is removed.

    The cluster's own environment decides about HAProxy, and its nodes need this package and MOS_HOME's models.

    Raises:
        ModelError: a replica cannot read the model.
        ServingError: the cluster cannot be reached, or the application does not start.
    """
    with connected():
        place = _Place(host=settings.serve_host, location="EveryNode", deployed=Deployed())
        with _application(settings.with_absolute_paths(), place):
            yield


@contextmanager
def connected(*, quiet: bool = False) -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS, for the length of the context.

    Args:
        quiet: whether what Ray's processes log stays in its files.

    Raises:
        ServingError: it cannot be reached.
    """
    address = os.environ["RAY_ADDRESS"]
    try:
        _probe(address)
        import ray  # noqa: PLC0415

        ray.init(configure_logging=False, log_to_driver=not quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise ServingError(
            f"cannot connect to the Ray cluster at RAY_ADDRESS={address}: {error}; correct the address, or unset it to "
            f"run Ray on this machine"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _probe(address: str) -> None:
    """Raise OSError if nothing listens at ``address``, which Ray itself would take minutes to say."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where the application answers: Ray's host and proxies, and what the replicas need to know of it."""

    host: str
    location: Literal["HeadOnly", "EveryNode"]
    deployed: Deployed


@contextmanager
def _application(settings: Settings, place: _Place) -> Iterator[None]:
    """The application, on the Ray that this process is connected to; requests in flight are answered at the end."""
    from ray import serve  # noqa: PLC0415 - after prepare_environment

    from serving.ray.app import NAME, application  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        proxy_location=place.location,
        http_options={"host": place.host, "port": settings.serve_port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    try:
        serve.run(application(settings, place.deployed), name=NAME, route_prefix="/")
    except RuntimeError as error:
        deployments = serve.status().applications[NAME].deployments.values()
        raise _deploy_fault("\n".join([str(error), *(deployment.message for deployment in deployments)])) from None
    graceful = True
    try:
        yield
    except ServingError:  # Ray has died: there is nobody to ask for a graceful end
        graceful = False
        raise
    finally:
        if graceful:
            serve.delete(NAME)


def _check(processes: list[psutil.Process]) -> None:
    for process in processes:
        if not living([process]):
            raise ServingError(
                f"a process of Ray (pid {process.pid}) has died, so the service stops; start it again. Ray's logs are "
                f"in MOS_HOME/logs, and `dmesg` tells whether the system ran out of memory"
            )


def _deploy_fault(message: str) -> ModelError | ServingError:
    """What a replica's constructor raised, out of Ray's message with its traceback."""
    if raised := re.findall(r"^mos_online\.errors\.ModelError: (.+(?:\n\s+\S.*)*)$", message, re.MULTILINE):
        return ModelError(raised[-1])
    return ServingError(f"the application does not start on Ray: {message.strip()}")
