"""The model card of a fine-tuned model."""

from __future__ import annotations

from datetime import UTC, datetime

from mos_online.fine_tuning.history import FineTuning


def fine_tuned_card(facts: FineTuning, items: int) -> str:
    """Markdown.

    Args:
        facts: what was learned.
        items: rows of the model.
    """
    border = datetime.fromtimestamp((facts.learned_to or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    return f"""# {facts.candidate}

Fine-tuned from {facts.champion}: {facts.why}.

One pass over {facts.examples:,} clicks before {border} (UTC), {facts.replayed:,} of them older ones that were learned
before. {facts.new_items:,} of the {items:,} items are new. Themes are those of revision
{facts.revision} of router {facts.epoch}.

Judged by {facts.held_out:,} later clicks, from which it has not learned; `mos learn status` shows what was found.
"""
