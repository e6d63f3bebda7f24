"""How a fitted model may learn the newest clicks, on a log without its last part.

    python benchmarks/newest_tried.py --data DATA [--dataset amazon_beauty ...] [--share 0.9] [--seeds 1]

Only the first events of a log are read, 90 % of them. They are split like a whole log: training, validation, test. So
the test lies in the validation range of the whole log, and what is chosen here is chosen without the real test. A MoS
is fitted as `mos train` fits it, and stopped by validation. Then it learns what lies between training and test:

- nothing of it;
- one pass over it, in order of time, with a fifth of the learning rate;
- going on: with all examples, for half as long as was best, which is what `mos train` does;
- going on for the whole second half of the schedule.

Prints Markdown: NDCG@10 among the whole catalogue, alone and with co-clicks and popularity mixed in, by weights that
stay as validation taught them, or that are learned anew after each tenth of the test.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from evaluation.candidates.fitted import CANDIDATE_MODELS
from evaluation.candidates.sizes import Sizes
from evaluation.protocol.data import ExperimentConfig, ExperimentData
from evaluation.protocol.fitting import (
    FitConfig,
    fit_until_stopped,
    go_on_with,
    learn_what_is_mixed_in,
    score_as_served,
)
from evaluation.protocol.request_set import RequestSet
from evaluation.protocol.requests import RequestBatch
from evaluation.protocol.scores import Scores
from evaluation.protocol.split import SplitConfig
from mos_online.model import SequenceModel
from mos_online.sessions import SessionConfig
from mos_online.training.content import predict_rows
from mos_online.training.fit import refresh
from mos_online.training.routing import describe_items
from mos_online.training.sequence_log import SequenceLog
from mos_online.training.starts import FromStart
from simulator.datasets import load

LOGS = ("amazon_beauty", "amazon_grocery_no_tail", "gowalla_1000_users", "movielens_100k", "steam_australian")
BUDGET = FitConfig()
RATE = BUDGET.rates[0]

Fit = FromStart[SequenceModel]


def experiment(name: str, folder: Path, share: float) -> ExperimentData:
    """The first part of a log, split like a whole one."""
    log = load(name, folder)
    rules = log.session_rules(SessionConfig())
    config = ExperimentConfig(split=SplitConfig(judged=4_000, tested=6_000))
    events = log.clicks.head(int(len(log.clicks) * share))
    return ExperimentData(events, log.items, sessions=rules, config=config, name=name)


def fitted(data: ExperimentData, seed: int) -> tuple[Fit, SequenceLog]:
    """A model that was stopped by validation, and what is mixed in learned there; and the histories."""
    best, sequences = fit_until_stopped(
        lambda: CANDIDATE_MODELS["mos"].make(
            Sizes().config(data.catalogue, "pooling", data.routing, gap_ms=data.log.gap_ms)
        ),
        data,
        data.routing,
        config=BUDGET,
        rate=RATE,
        seed=seed,
    )
    predict_rows(best.model, data.catalogue.clicks(data.past(1)["item_id"].to_list()))
    learn_what_is_mixed_in(best.model, data.beside_neighbours[0], sequences)
    return best, sequences


def one_pass(model: SequenceModel, data: ExperimentData, sequences: SequenceLog, seed: int) -> None:
    """Over what lies between training and test, in order of time."""
    newest = RequestSet(data.newest, sequences, model.config)
    generator = torch.Generator().manual_seed(seed)
    refresh(
        model,
        len(data.newest),
        lambda numbers: newest.loss(model, numbers, generator),
        rate=RATE / 5,
        together=max(256 // data.config.moment, 1),
    )


def ndcg(model: SequenceModel, requests: list[RequestBatch], sequences: SequenceLog) -> float:
    """NDCG@10 of the next click among the whole catalogue."""
    return gain(RequestSet(requests, sequences, model.config).score(model))


def gain(scores: Scores) -> float:
    """Its mean over the requests."""
    ranks = scores.ranks
    hit = (ranks >= 1) & (ranks <= 10)
    return float((hit / np.log2(np.maximum(ranks, 1) + 1.0)).mean())


def ways(
    data: ExperimentData, sequences: SequenceLog, best: Fit, seed: int
) -> dict[str, Callable[[SequenceModel], None]]:
    """What is tried, by its name; each changes a copy of the fitted model."""

    def going_on(share: float) -> Callable[[SequenceModel], None]:
        return lambda model: go_on_with(
            data.everything, model, sequences, share=share, config=BUDGET, rate=RATE, seed=seed
        )

    return {
        "nothing": lambda model: None,
        "one pass over the newest": lambda model: one_pass(model, data, sequences, seed),
        "going on, half as long as was best": going_on(best.share),
        "going on, half of the schedule": going_on(1.0),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--dataset", action="append")
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| log | seed | what is learned of the newest | alone | weights stay | weights anew | seconds |")
    print("|---" * 7 + "|")
    for name in arguments.dataset or LOGS:
        data = experiment(name, arguments.data, arguments.share)
        for seed in range(arguments.seeds):
            best, sequences = fitted(data, seed)
            for words, learn in ways(data, sequences, best, seed).items():
                model, began = copy.deepcopy(best.model), time.perf_counter()
                if words != "nothing":
                    describe_items(model, data.catalogue, data.routing, data.known_at_test)
                    learn(model)
                    predict_rows(model, data.catalogue.clicks(data.past(2)["item_id"].to_list()))
                seconds = time.perf_counter() - began
                served = ndcg(model, data.beside_neighbours[1], sequences)
                alone = ndcg(model, data.test, sequences)
                anew = gain(score_as_served(model, data.beside_neighbours[1], sequences))
                cells = " | ".join(f"{figure:.4f}" for figure in (alone, served, anew))
                print(f"| {name} | {seed} | {words} | {cells} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
