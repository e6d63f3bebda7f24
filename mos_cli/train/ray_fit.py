"""Fitting a model in several processes, by Ray Train."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
from ray.train.torch import TorchTrainer
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from mos_cli.train.ray_cluster import Cluster, threads_of_worker
from mos_cli.train.ray_worker import Listener, Order, work
from mos_online.errors import ModelError
from mos_online.model import MoS
from mos_online.training import TrainConfig
from mos_online.training.fitting import Fitting
from mos_online.training.prepare import Progress
from mos_online.training.starts import FromStart

LISTEN_EVERY = 0.25
"""Seconds between two questions about the progress."""

STARTS = 3
"""Workers that end before they have begun are started again so many times."""


def fit_on_ray(
    cluster: Cluster, workers: int, fitting: Fitting, config: TrainConfig, on_progress: Progress
) -> FromStart[MoS]:
    """Fit a model in workers that each take a share of every step.

    The examples go through Ray's object store, once to each node; see docs/adr/0021.

    Args:
        cluster: where.
        workers: how many; a worker has ``config.threads`` cores or its share of this machine's, and a GPU if all have.
        fitting: what to fit.
        config: how; ``device`` is auto, cpu or cuda.
        on_progress: see ``Progress``.

    Raises:
        ModelError: there are not as many GPUs as workers, or a worker has failed or died.
    """
    gpu = on_gpus(config.device, workers, int(ray.cluster_resources().get("GPU", 0)))
    threads = threads_of_worker(cluster, workers, config.threads)
    models = {alike: fitting.begun(alike) for alike in fitting.starts}
    listener = ray.remote(num_cpus=0)(Listener).remote()
    order = Order(
        fitting=ray.put(replace(fitting, begun=models.__getitem__)),
        config=replace(config, threads=threads),
        gpu=gpu,
        meeting=str(cluster.folder / "meeting") if cluster.local else None,
        listener=listener,
    )
    (cluster.folder / "meeting").unlink(missing_ok=True)  # of the fit before: its workers are gone
    cores = 1 if cluster.local else threads
    trainer_of = DataParallelTrainer if cluster.local else TorchTrainer
    trainer = trainer_of(
        work,
        train_loop_config={"order": order},
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpu,
            resources_per_worker={"CPU": cores} | ({"GPU": 1} if gpu else {}),
        ),
        run_config=RunConfig(
            name="fit",
            storage_path=str(cluster.folder / "results"),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=STARTS),
        ),
    )
    cores_there = ray.cluster_resources().get("CPU", 0)
    on_progress(
        "workers",
        0.0,
        f"waiting for {workers} with {'a GPU' if gpu else f'{threads} threads'} each; Ray has {cores_there:g} cores",
    )
    try:
        fitted: FromStart[MoS] = _heard(lambda: trainer.fit().return_value, listener, on_progress)
    except (TrainingFailedError, RayError) as error:
        raise ModelError(
            f"{fault_of(error)}; nothing was published, and the model in service stays. Ray's logs are {cluster.logs}; "
            "train again, with fewer workers if the memory was too small"
        ) from None
    return fitted


def on_gpus(device: str, workers: int, gpus: int) -> bool:
    """Whether each worker computes on a GPU.

    Args:
        device: auto, cpu or cuda.
        workers: how many.
        gpus: that Ray has.

    Raises:
        ModelError: another device, or fewer GPUs than workers are to use.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise ModelError(f"workers cannot compute on {device!r}: Ray gives them their GPUs; choose auto, cpu or cuda")
    if device == "cuda" and gpus < workers:
        raise ModelError(
            f"{workers} workers need {workers} GPUs, and Ray has {gpus}; train with as many workers as GPUs, or with "
            "--device cpu"
        )
    return device != "cpu" and gpus >= workers


def _heard(made: Callable[[], Any], listener: Any, on_progress: Progress) -> Any:
    """What ``made`` returns or raises, in a thread; meanwhile this one passes on what the listener hears.

    Ctrl-C then ends this thread at once, and the end of the connection the other.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((made(), None))
        except Exception as error:  # raised again below
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    told: dict[str, tuple[float, str]] = {}
    while thread.is_alive():
        thread.join(LISTEN_EVERY)
        for stage, part, words in ray.get(listener.heard.remote()):
            if told.get(stage) != (part, words):
                told[stage] = part, words
                on_progress(stage, part, words)
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def fault_of(error: Exception) -> str:
    """What happened to the workers. One that died says more than those whose connection to it was closed."""
    if not isinstance(error, WorkerGroupError):
        return f"Ray has failed: {_line(error)}"
    failures = [(rank, _cause(failure)) for rank, failure in sorted(error.worker_failures.items())]
    for rank, failure in failures:
        if isinstance(failure, RayActorError):
            return f"worker {rank} of the training has died"
    rank, failure = failures[0]
    return f"worker {rank} of the training has failed: {_line(failure)}"


def _cause(failure: Exception) -> Exception:
    """What Ray Train has found when it asked a worker how it is, or the failure itself."""
    found = getattr(failure, "health_check_failure", failure)
    return found if isinstance(found, Exception) else failure


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
