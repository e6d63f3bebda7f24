"""A fitter in several processes; Ray is imported only where it is asked for, after its environment is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mos_cli.train.ray_cluster import training_cluster
from mos_online.settings import Settings
from mos_online.training.fitting import Fitter


@contextmanager
def fitter_on_ray(settings: Settings, workers: int) -> Iterator[Fitter]:
    """Connect to Ray, or start it on this machine, for the length of the context.

    Args:
        settings: of MOS_HOME.
        workers: how many processes fit.

    Raises:
        ModelError, ServingError: as ``training_cluster``.
    """
    with training_cluster(settings, workers) as cluster:
        from mos_cli.train.ray_fit import fit_on_ray  # noqa: PLC0415 - imports Ray

        yield partial(fit_on_ray, cluster, workers)
