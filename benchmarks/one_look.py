"""Does another library say the same at one look? A fixed-horizon test of the same users, by tea-tasting.

    pip install tea-tasting && python benchmarks/one_look.py

Prints Markdown: the difference and the naive interval of ``mos_online.experiments`` beside those of tea-tasting, which
knows no interval that may be looked at often. The confidence sequence is shown as well: it must be wider.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pyarrow as pa

from mos_online.experiments.contrast import Contrast, Estimate


def users_of(count: int, seed: int) -> dict[str, Any]:
    """Users of two arms: impressions, clicks with 10 % more in the treated arm, and clicks of the weeks before."""
    rng = np.random.default_rng(seed)
    treated = rng.random(count) < 0.5
    taste = rng.gamma(2, 0.5, count)
    shown = 1 + rng.poisson(rng.gamma(0.7, 6, count))
    clicks = rng.binomial(shown, np.minimum(0.05 * taste * (1 + 0.1 * treated), 1.0))
    return {"variant": treated.astype(int), "shown": shown, "clicks": clicks, "before": rng.poisson(2 * taste)}


def ours(users: dict[str, Any], *, ratio: bool, adjusted: bool) -> Estimate:
    """What the product says of the clicks, or of the clicks by impressions."""
    contrast = Contrast(is_ratio=ratio)
    columns = (users[name].tolist() for name in ("variant", "clicks", "shown", "before"))
    for variant, clicks, shown, before in zip(*columns, strict=True):
        contrast.add(
            treated=bool(variant),
            probability=0.5,
            numerator=float(clicks),
            denominator=float(shown) if ratio else 1.0,
            before=float(before) if adjusted else 0.0,
        )
    return contrast.estimate(expected=20_000)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    try:
        import tea_tasting as tt  # type: ignore[import-not-found]  # noqa: PLC0415
    except ModuleNotFoundError:
        parser.error("tea-tasting is missing: `pip install tea-tasting`, in another environment if you like")
    users = users_of(asked.users, asked.seed)
    experiment = tt.Experiment(
        clicks=tt.Mean("clicks"),
        adjusted=tt.Mean("clicks", covariate="before"),
        ratio=tt.RatioOfMeans("clicks", "shown"),
    )
    theirs = experiment.analyze(pa.table({name: pa.array(column) for name, column in users.items()}))
    print(f"{asked.users:,} users, tea-tasting {tt.__version__}\n")
    print("| metric | tea-tasting | its interval | ours | naive interval, not adjusted | confidence sequence |")
    print("|---|---|---|---|---|---|")
    for name, metric, ratio, adjusted in (
        ("clicks", "clicks", False, False),
        ("clicks, adjusted", "adjusted", False, True),
        ("clicks / impressions", "ratio", True, False),
    ):
        other, found = theirs[metric], ours(users, ratio=ratio, adjusted=adjusted)
        print(
            f"| {name} | {other.effect_size:.5f} | {_interval(other.effect_size_ci_lower, other.effect_size_ci_upper)} "
            f"| {found.difference:.5f} | {_interval(found.naive_low, found.naive_high)} "
            f"| {_interval(found.low, found.high)} |"
        )


def _interval(low: float | None, high: float | None) -> str:
    return f"[{low:.5f}, {high:.5f}]"


if __name__ == "__main__":
    main()
