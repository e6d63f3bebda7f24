"""Which workers get a GPU, and what is said of those that fail."""

from __future__ import annotations

import pytest
from ray.exceptions import RayActorError
from ray.train import WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from mos_cli.train.ray_fit import fault_of, on_gpus
from mos_online.errors import ModelError


@pytest.mark.parametrize(
    ("device", "workers", "gpus", "expected"),
    [("auto", 2, 2, True), ("auto", 2, 1, False), ("auto", 1, 0, False), ("cpu", 1, 8, False), ("cuda", 2, 3, True)],
)
def test_every_worker_has_a_gpu_or_none(device: str, workers: int, gpus: int, expected: bool) -> None:
    assert on_gpus(device, workers, gpus) is expected


def test_too_few_gpus_and_other_devices_are_refused() -> None:
    with pytest.raises(ModelError, match=r"2 workers need 2 GPUs, and Ray has 1"):
        on_gpus("cuda", 2, 1)
    with pytest.raises(ModelError, match=r"cuda:1.*choose auto, cpu or cuda"):
        on_gpus("cuda:1", 2, 2)


def test_the_worker_that_died_is_named_and_not_those_that_noticed() -> None:
    asked = WorkerHealthCheckFailedError("asked", RayActorError(error_msg="the actor died"))
    for death in (asked, RayActorError(error_msg="the actor died")):
        both = WorkerGroupError("two failed", {0: RuntimeError("Connection closed by peer"), 1: death})
        assert fault_of(both) == "worker 1 of the training has died"
    failed = WorkerGroupError("one failed", {0: RuntimeError("trace\nValueError: of no use")})
    assert fault_of(failed) == "worker 0 of the training has failed: ValueError: of no use"
