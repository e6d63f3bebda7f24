"""Yelp Open Dataset: reviews of businesses."""

from __future__ import annotations

from simulator.datasets.format import Format, Sibling, most_lines
from simulator.datasets.json_lines import JsonLines

FORMAT = Format(
    name="yelp",
    title="Yelp reviews",
    source="Yelp Open Dataset, yelp_academic_dataset_review.json",
    layouts=(
        JsonLines(
            title="Yelp yelp_academic_dataset_review.json",
            user="user_id",
            item="business_id",
            time="date",
            unit="iso",
            event="review",
            has=("stars",),
            sessions="the reviews of a user without a long gap; up to the release of 2017 a user's day",
        ),
    ),
    siblings=(
        Sibling(
            "Yelp tips",
            "which are no reviews",
            most_lines(r'\{(?!.*"stars").*"business_id".*"(compliment_count|likes)".*'),
        ),
        Sibling("Yelp businesses", "which has no events", most_lines(r'\{.*"business_id".*"review_count".*')),
        Sibling(
            "Yelp check-ins", "which name no user", most_lines(r'\{(?!.*"user_id").*"business_id".*"(date|time)".*')
        ),
        Sibling("Yelp users", "which has no events", most_lines(r'\{.*"user_id".*"yelping_since".*')),
    ),
)
