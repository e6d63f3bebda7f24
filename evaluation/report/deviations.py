"""How the compared models differ from their sources, as a table: nobody should take one for a reproduction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Deviation(NamedTuple):
    """What a model is here: its names in the tables, its source, and what differs."""

    names: tuple[str, ...]
    source: str
    differs: str


SHARED = (
    "All learned models differ from their sources in this: item vectors are the sum of an item's row, its category's "
    "and, except for `backbone`, a projection of its routing vector; the time since each event is part of what is "
    "read; real-time features and biases of repeats are added to the scores; histories are the last 50 events over all "
    "sessions. Models that rank the catalogue learn by a softmax over it, or over the popular items and a corrected "
    "sample. Models that read the candidate learn by a softmax over 15 negatives drawn by popularity, and a log loss."
)

DEVIATIONS = (
    Deviation(("gru4rec",), "Hidasi et al., ICLR 2016", "The last event is added to the state. It reads several "
              "sessions, not one; no session-parallel batches, no ranking loss over the batch."),
    Deviation(("sasrec",), "Kang & McAuley, ICDM 2018", "Positions count from the newest event. GELU and 2 d units "
              "in the feed-forward layers. The last LayerNorm starts at weight .05. Softmax instead of one negative "
              "with binary cross-entropy."),
    Deviation(("mamba4rec",), "Liu et al. 2024; Gu & Dao 2023", "One block in plain torch, whose inner width is d "
              "without expansion; norms before the layers."),
    Deviation(("pooling",), "Lin et al., ICLR 2017, eq. 5", "One row of attention instead of several, with places "
              "counted from the newest event; no recurrent layer below, no penalty."),
    Deviation(("din",), "Zhou et al., KDD 2018", "Weights are a softmax over the events. The scaled product of event "
              "and candidate is added to the activation unit. GELU instead of Dice; no mini-batch regularisation."),
    Deviation(("sdim",), "Cao et al., CIKM 2022", "16 functions of 2 bits. The last event is added."),
    Deviation(("twin",), "Chang et al., KDD 2023", "Searches 50 events for 20. No side features of an event but its "
              "age. The last event is added."),
    Deviation(("mmoe",), "Ma et al., KDD 2018", "One task. Experts are sequence encoders of the whole history; the "
              "gate reads the mean of the events and the last one. As all mixtures here."),
    Deviation(("ple",), "Tang et al., RecSys 2020", "One task, so no expert of the first level is the task's or "
              "shared by itself. Experts of the second level are single layers."),
    Deviation(("gshard",), "Shazeer et al. 2017; Lepikhin et al., ICLR 2021", "Routes users, not tokens. No capacity "
              "limit; all experts are computed."),
    Deviation(("dselect-k",), "Hazimeh et al., NeurIPS 2021", "Routes users to sequence encoders, with one task; all "
              "experts are computed."),
    Deviation(("expert-choice",), "Zhou et al., NeurIPS 2022", "Experts choose users of the batch, not tokens. When "
              "serving, a running mean of the lowest score taken stands for the choice."),
    Deviation(("comirec",), "Cen et al., KDD 2020", "ComiRec-SA without the controllable aggregation: candidates are "
              "scored by the best interest."),
    Deviation(("hrnn",), "Quadrana et al., RecSys 2017", "A pause of 30 minutes in the history is a boundary of "
              "sessions. The last event is added. No session-parallel batches."),
    Deviation(("dsin",), "Feng et al., IJCAI 2019", "Causal: a GRU stands for the Bi-LSTM over sessions. The last "
              "event asks, not the candidate. No bias encoding."),
    Deviation(("item-knn",), "Hidasi et al. 2016; Ludewig & Jannach 2018", "Co-clicks are learned click by click "
              "and decay. Only the last item counts. Popularity fills the list."),
    Deviation(("vmis-knn",), "Kersbergen, Sprangers & Schelter, SIGMOD 2022", "Sessions are learned click by click, "
              "not once a day. The session before may stand for one that has just begun. Popularity fills the list."),
    Deviation(("mos",), "arXiv 2604.20858, the abstract", "Everything but the idea is our own design."),
)  # fmt: skip


def deviations() -> Iterator[str]:
    """The table in Markdown."""
    yield "## How the models differ from their sources\n"
    yield SHARED + "\n"
    yield "| model | source | what differs here |"
    yield "|---|---|---|"
    for one in DEVIATIONS:
        yield f"| {', '.join(one.names)} | {one.source} | {one.differs} |"
    yield ""
