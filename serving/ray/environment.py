"""What Ray is told through the environment before it is imported."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

from mos_online.errors import ServingError
from mos_online.ports import free_port
from mos_online.settings import Settings
from serving.ray.haproxy import haproxy_binary, write_launcher

log = logging.getLogger(__name__)

CLIENT_SECONDS = 30
"""A connection on which nothing moves for this long, in the middle of a request or an answer, is closed."""
SERVER_SECONDS = 30
"""An answer that takes longer is given up; our own limits end far earlier."""


def remote() -> bool:
    """Say whether RAY_ADDRESS names a cluster to use instead of this machine."""
    return os.environ.get("RAY_ADDRESS", "local") not in {"", "local"}


def require_plain_paths() -> None:
    """Check that Ray can start its workers: it passes their command line through a shell without quoting it.

    Raises:
        ServingError: the path of this Python or of Ray has a blank or another character with a meaning for a shell.
    """
    package = find_spec("ray")
    for path in (sys.executable, package.origin if package and package.origin else ""):
        if path and shlex.quote(path) != path:
            raise ServingError(
                f"Ray cannot start its workers from {path!r}, because of a blank or a sign in it; make the virtual "
                "environment in another folder, in a checkout with `make VENV=/another/folder setup`"
            )


def prepare_environment(folder: Path, settings: Settings) -> bool:
    """Set what Ray reads from the environment; what the user has set stays.

    Args:
        folder: of the run, for HAProxy's files; nobody else can enter it.
        settings: of the service.

    Returns:
        Whether HAProxy will be in front of the replicas.

    Raises:
        ServingError: others can enter ``folder``.
    """
    set_ray_environment()
    choices = _of_serve() | _of_haproxy(folder)
    binary = haproxy_binary()
    if binary is not None:
        choices["RAY_SERVE_ENABLE_HA_PROXY"] = "1"
    _set(choices)
    if binary is None or os.environ["RAY_SERVE_ENABLE_HA_PROXY"] != "1":
        log.warning("no HAProxy is used, so Ray's own proxy answers, about ten times slower")
        return False
    os.environ["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(write_launcher(folder, binary, settings))
    return True


def set_ray_environment() -> None:
    """Set what Ray itself reads: a Ray of one machine listens on its loopback address, to those who have its token."""
    choices = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_metrics_collection": "0",  # ours are at /metrics
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on Linux too: a Ray of one machine listens on its loopback address
    }
    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        # Ray runs any code that is sent to its ports: only this run's processes may send any.
        choices |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    _set(choices)


def _set(choices: dict[str, str]) -> None:
    for name, value in choices.items():
        os.environ.setdefault(name, value)


def _of_serve() -> dict[str, str]:
    return {
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # Ray makes its processes as nice as a batch job, so a busy worker or learner beside it would delay answers.
        "RAY_worker_niceness": "0",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        # A proxy needs seconds to import Ray; on a busy machine more than the 5 after which Ray would kill it.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        # Nothing but our own HAProxy sends requests here, and it learns of a leaving replica within a second.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "1",
    }


def _of_haproxy(folder: Path) -> dict[str, str]:
    files = folder / "haproxy"
    files.mkdir()
    return {
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(CLIENT_SECONDS),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(SERVER_SECONDS),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(files / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(files / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(files / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(files),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(files / "server-state"),
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(files / "no-syslog"),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, min(4, (os.cpu_count() or 1) // 2))),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
    }
