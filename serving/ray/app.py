"""The Ray Serve application is one deployment, and each of its replicas is a whole service.

No composition of deployments: a hop between them costs more than all our own work on a request. Import this module
only after ``serving.ray.cluster`` has set Ray's environment.
"""

from __future__ import annotations

import logging
import sys

from ray import serve
from starlette.applications import Starlette

from mos_online.settings import Settings
from publishing.unwaiting import UnwaitingProducer
from serving.http.app import create_app
from serving.metrics import MULTIPROCESS_DIR
from serving.ray.deployed import Deployed
from serving.ray.loopback import bind_replica_to_loopback
from serving.scoring.limits import Limits

NAME = "mos"
"""The name of the application on the Ray cluster."""


@serve.ingress()
class Replica:
    """One process that answers requests."""

    def __init__(self, settings: Settings, deployed: Deployed) -> None:
        from serving.scoring.opening import open_service  # noqa: PLC0415 - torch is for replicas, not for `mos serve` itself

        _log_to_stderr(settings.log_level)
        if deployed.local:
            bind_replica_to_loopback()
        self._settings = settings
        self._behind_haproxy = deployed.behind_haproxy
        self._service = open_service(settings)
        self._publisher = UnwaitingProducer(settings, room=settings.publish_room)

    def __serve_build_asgi_app__(self) -> Starlette:
        """Make the application; Ray calls this once the constructor has returned."""
        return create_app(
            self._service,
            settings=self._settings,
            publisher=self._publisher,
            behind_haproxy=self._behind_haproxy,
        )

    def check_health(self) -> None:
        """Raise if this replica must be replaced; Ray calls this every few seconds."""
        if self._service.stuck():
            raise RuntimeError("a batch has been in the model for too long")


def application(settings: Settings, deployed: Deployed) -> serve.Application:
    """Make the application to run.

    Args:
        settings: travel to the replicas with it; their own environment is not read.
        deployed: where they run; travels too.
    """
    # Requests run in the replica's main loop (they only queue and wait there), and its long-lived objects are out of
    # the garbage collector's sight. Set here and not for all of Ray, whose controller would print a banner about it.
    environment = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    if deployed.metrics_folder is not None:
        environment[MULTIPROCESS_DIR] = deployed.metrics_folder
    deployment = serve.deployment(
        Replica,
        name="recommend",
        num_replicas=settings.serve_replicas,
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": environment}},
        # Above our own bound, so that it is we who refuse, with Retry-After and a body that explains.
        max_ongoing_requests=4 * Limits().max_pending,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=5,
        logging_config={"enable_access_log": False, "log_level": settings.log_level},
    )
    return deployment.bind(settings.with_absolute_paths(), deployed)


def _log_to_stderr(level: str) -> None:
    """Ray forwards a replica's stderr to the terminal of ``mos serve``."""
    handler = logging.StreamHandler(sys.__stderr__)  # Ray puts its own in place of sys.stderr
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for package in ("serving", "mos_online", "features", "publishing"):
        logger = logging.getLogger(package)
        logger.handlers = [handler]
        logger.setLevel(level)
