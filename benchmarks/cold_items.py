"""How well are new items ranked, with and without what the catalogue says of them?

    python benchmarks/cold_items.py [--dataset movielens_100k --dataset ...] [--part validation] [--seeds 1]
                                    [--epochs 6] [--examples 200000] [--data DIR]

Fits MoS as it is served twice on each log: with the vectors of texts that its catalogue gives, and without them. Prints
Markdown: NDCG@10 over all targets, and the hit rate at 100 over three kinds of targets:

- cold: first clicked in the tenth of the log before those that are judged, or later; clicked before;
- untrained: first clicked during those that are judged; clicked before;
- first: never clicked before. Here the items that the catalogue lists are candidates, too, whether clicked or not.

`--part validation` judges the tenth of the log before the test, and looks at no later click. `--part test` judges the
test.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentConfig, ExperimentData
from evaluation.protocol.fitting import FitConfig, Fitted, fit_model
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.split import SplitConfig
from mos_online.arrays import Ints
from mos_online.model.co_clicks import evidence_of
from mos_online.sessions import SessionConfig
from mos_online.training.publish import unclicked_share
from mos_online.training.ranking import CatalogueRanking
from simulator.datasets import load

LOGS = ["movielens_100k", "steam_australian", "amazon_beauty", "yelp_2019"]
CUT = 100
VALIDATION_ENDS = 0.9


def experiment(name: str, folder: Path, arguments: argparse.Namespace) -> ExperimentData:
    """The log, without its test if the validation is judged: then everything happens a tenth earlier."""
    log = load(name, folder)
    events, cuts = (
        log.clicks,
        SplitConfig(examples=arguments.examples, judged=arguments.judged, tested=arguments.tested),
    )
    if arguments.part == "validation":
        end = np.quantile(events["timestamp"].to_numpy(), VALIDATION_ENDS, method="higher")
        events = events.filter(pl.col("timestamp") < end)
        earlier = {part: (getattr(cuts, part) - 0.1) / VALIDATION_ENDS for part in ("train", "validation")}
        cuts = replace(cuts, router=cuts.router / VALIDATION_ENDS, **earlier)
    config = ExperimentConfig(split=cuts)
    return ExperimentData(events, log.items, sessions=log.session_rules(SessionConfig()), config=config, name=name)


@torch.inference_mode()
def ranks(fitted: Fitted, data: ExperimentData) -> tuple[Ints, Ints, Ints, Ints]:
    """Rank of each target among the items clicked before; among those of the catalogue too; the target; rows known."""
    model, requests = fitted.model, data.beside_neighbours[1]
    ranking, beside = CatalogueRanking(model), CatalogueRanking(model)  # each learns what is expected by itself
    examples = RequestSet(requests, fitted.sequences, model.config)
    listed = {item for item, row in zip(data.vectors.items, data.vectors.rows, strict=True) if row.any()}
    listed |= set(data.vectors.items) & set(data.log.categories)
    is_listed = data.catalogue.marked(listed) > 0
    share = unclicked_share(data.past(1)["item_id"], data.past(2)["item_id"][len(data.past(1)) :], listed)
    found = []
    for number, request in enumerate(requests):
        one = examples.examples([number])
        seen = torch.tensor(one.seen).repeat_interleave(torch.tensor(one.sizes))
        scores, unknown = ranking.scores(one)
        closed = ranking.rank(one, scores, unknown, request.log_share).rank
        unclicked = [torch.arange(rows + 1, len(is_listed))[is_listed[rows + 1 :]] for rows in one.seen]
        new = [now.with_unclicked(rows, share) for now, rows in zip(one.popular, unclicked, strict=True)]
        scores, unknown = ranking.model_scores(replace(one, popular=new))
        unknown &= ~is_listed[ranking.everything]
        places = model.mixing.places(one.batch)
        evidence = evidence_of(one.batch, places, one.neighbours, one.moment)  # type: ignore[arg-type]
        popular = ranking.popular(one)
        beside.calibrate(model.mixing.calibration, one, popular, scores, unknown)
        scores, _ = model.mixing.mix(scores, one.batch, evidence, popular, one.sizes, ranking.slot, unknown)
        own = scores.gather(1, ranking.slot[one.targets.clamp(min=1)].unsqueeze(1))
        found.append(torch.stack([closed, 1 + ((scores > own) & ~unknown).sum(1), one.targets, seen]))
    closed, opened, targets, seen = torch.cat(found, 1).numpy()
    return closed, opened, targets, seen


def row(fitted: Fitted, data: ExperimentData) -> list[float]:
    """NDCG@10 of all, of all with the whole catalogue; count and hit rate of cold, untrained and first clicks."""
    closed, opened, targets, seen = ranks(fitted, data)
    first = targets > seen
    cold = (data.known.numpy()[targets] == 0) & ~first
    untrained = (data.known_at_test.numpy()[targets] == 0) & ~first
    gain = [
        np.where((one >= 1) & (one <= 10), 1 / np.log2(np.maximum(one, 1) + 1), 0).mean() for one in (closed, opened)
    ]
    kinds = ((cold, closed), (untrained, closed), (first, opened))
    hits = [(int(kind.sum()), float((one[kind] <= CUT).mean()) if kind.any() else np.nan) for kind, one in kinds]
    return [*map(float, gain), *(number for pair in hits for number in pair)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", action="append")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=FitConfig.epochs)
    parser.add_argument("--examples", type=int, default=SplitConfig.examples)
    parser.add_argument("--judged", type=int, default=SplitConfig.judged)
    parser.add_argument("--tested", type=int, default=SplitConfig.tested)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| log | seed | texts | NDCG@10 | with unclicked items | cold | HR@100 | untrained | HR@100 | first | HR@100 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in arguments.dataset or LOGS:
        data = experiment(name, arguments.data, arguments)
        for seed in range(arguments.seeds):
            for read in (False, True):
                sizes = Sizes().config(data.catalogue, "pooling", data.routing, gap_ms=data.log.gap_ms)
                config = sizes if read else replace(sizes, content=0)
                make = CANDIDATE_MODELS["mos-served"].build
                budget = FitConfig(epochs=arguments.epochs)
                fitted = fit_model(
                    lambda: make(config),  # noqa: B023 - called at once
                    data,
                    data.routing,
                    config=budget,
                    rate=budget.rates[0],
                    seed=seed,
                    mixed=True,
                )
                cells = [f"{value:,}" if isinstance(value, int) else f"{value:.4f}" for value in row(fitted, data)]
                print(f"| {name} | {seed} | {'read' if read else '-'} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
