"""The Ray on which workers train: one of this machine, for as long as that takes, or the cluster of RAY_ADDRESS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mos_online.errors import ModelError
from mos_online.processes import locked
from mos_online.settings import Settings
from serving.ray.cluster import connected, start_ray
from serving.ray.environment import remote, require_plain_paths, set_ray_environment
from serving.ray.run import clear_leftovers, guarded_folder

NAME = "train-workers"

START_SECONDS = 600
"""Workers may take so long to start; each imports torch, on a machine that may be busy."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Ray that this process is connected to.

    Attributes:
        folder: for files of this run, on this machine.
        local: whether all of it is this machine.
        logs: where Ray's logs are, in words.
    """

    folder: Path
    local: bool
    logs: str


@contextmanager
def training_cluster(settings: Settings, workers: int) -> Iterator[Cluster]:
    """Connect to Ray; when the context ends, nothing of this machine's Ray is left, however it ends.

    Args:
        settings: of MOS_HOME, where the logs stay.
        workers: how many there will be.

    Raises:
        ModelError: another training with workers runs with this MOS_HOME.
        ServingError: Ray does not start, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", str(START_SECONDS))
    if remote():
        with connected(quiet=True), tempfile.TemporaryDirectory(prefix="mos-train-") as made:
            yield Cluster(folder=Path(made), local=False, logs="in the cluster")
        return
    require_plain_paths()
    set_ray_environment()
    home = settings.with_absolute_paths().home
    run_file, logs = home / f"{NAME}.json", home / "logs" / NAME
    with locked(
        run_file.with_suffix(".lock"),
        what="`mos train` with workers",
        instead="choose another MOS_HOME",
        error=ModelError,
    ):
        clear_leftovers(run_file, logs)
        with guarded_folder(run_file, logs) as folder, start_ray(settings, folder, cpus=workers + 1, quiet=True):
            yield Cluster(folder=folder, local=True, logs=f"in {logs}")


def threads_of_worker(cluster: Cluster, workers: int, configured: int) -> int:
    """Threads of each worker: this machine's cores are shared out; a cluster's nodes give what is configured."""
    return max((os.cpu_count() or 1) // workers, 1) if cluster.local else configured
