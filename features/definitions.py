"""The Feast repository as code: what the online store holds, typed so that any Feast client can read it.

Importing this module imports Feast (several seconds); keep it out of module scope where start-up time matters.
"""

from __future__ import annotations

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bytes, Float32, Float64, Int64, String

USER_STATE = "user_state"
ITEM_POPULARITY = "item_popularity"
ITEM_CO_CLICKS = "item_co_clicks"
PROFILE_PROGRESS = "profile_progress"
FAST_WEIGHTS = "fast_weights"
ROUTERS = "routers"

NO_EXPIRY = timedelta(0)
"""A profile is worth reading however long its user stays away."""

user = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="Somebody whose clicks are cut into sessions.",
)

partition = Entity(
    name="partition",
    join_keys=["partition"],
    value_type=ValueType.INT64,
    description="A partition of the topic `clicks`.",
)

sessions_partition = Entity(
    name="sessions_partition",
    join_keys=["sessions_partition"],
    value_type=ValueType.INT64,
    description="A partition of the topic `sessions`.",
)

arm = Entity(
    name="arm",
    join_keys=["arm"],
    value_type=ValueType.STRING,
    description='An arm of an experiment; "champion" where there is none.',
)


def _pushed(view: str) -> PushSource:
    """The push source of a view.

    Feast wants every view to name a batch table, for training sets and for `feast materialize`. Ours are written by
    the stream alone. The table of `user_state` is what `mos learn export` writes from the learner's log
    (`features.user_history`). The others are where an operator who exports the online store for analysis puts the
    result. None need exist for anything that MoS Online does.
    """
    return PushSource(
        name=f"{view}_push",
        batch_source=FileSource(name=f"{view}_history", path=f"{view}.parquet", timestamp_field="event_timestamp"),
    )


user_state = FeatureView(
    name=USER_STATE,
    description="State of a user after their last closed session; the row's time is when that session could close.",
    entities=[user],
    ttl=NO_EXPIRY,
    source=_pushed(USER_STATE),
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="item_ids", dtype=Array(String), description="Items of the kept sessions, in order of closing."),
        Field(name="timestamps", dtype=Array(Int64), description="Their times, ms since 1970 UTC."),
        Field(name="category_codes", dtype=Array(Int64), description="Place in category_names from 1; 0: none."),
        Field(name="category_names", dtype=Array(String), description="Categories that the kept events named."),
        Field(name="session_lengths", dtype=Array(Int64), description="Events of each kept session."),
        Field(name="session_keys", dtype=Array(Int64), description="A hash of the id of each kept session."),
        Field(name="session_closes", dtype=Array(Int64), description="Watermark of each kept session, ms."),
        Field(name="session_count", dtype=Int64, description="Closed sessions ever."),
        Field(name="last_ended_at", dtype=Int64, description="Time of the newest event, ms since 1970 UTC."),
        Field(name="last_closed_at", dtype=Int64, description="Event time at which the last session could close."),
        Field(name="last_session_id", dtype=String),
        Field(name="router_epoch", dtype=String, description="The epoch of the router that the features below are of."),
        Field(name="session_themes", dtype=Array(Int64), description="Theme of each kept session (0: unrouted)."),
        Field(name="theme_ids", dtype=Array(Int64), description="Themes visited (0: unrouted)."),
        Field(name="theme_session_counts", dtype=Array(Int64), description="Sessions routed to each of theme_ids."),
        Field(name="embedding", dtype=Array(Float32), description="Unit mean of the last session's routing vectors."),
        Field(name="theme_weights", dtype=Array(Float32), description="Its cosines to the K prototypes."),
    ],
)

item_popularity = FeatureView(
    name=ITEM_POPULARITY,
    description="Most active items of one partition: decayed click counts in event time. Partitions add up.",
    entities=[partition],
    ttl=NO_EXPIRY,
    source=_pushed(ITEM_POPULARITY),
    schema=[
        Field(name="partition", dtype=Int64),
        Field(name="as_of", dtype=Int64, description="Newest event time counted, ms since 1970 UTC."),
        Field(name="total", dtype=Float64, description="Clicks on all items, also those not listed, decayed to as_of."),
        Field(name="slow_total", dtype=Float64, description="The same, decayed more slowly."),
        Field(name="start_total", dtype=Float64, description="As total, of the clicks that began a session."),
        Field(name="slow_start_total", dtype=Float64, description="The same, decayed more slowly."),
        Field(name="item_ids", dtype=Array(String), description="Most active first."),
        Field(name="counts", dtype=Array(Float64), description="Clicks of each, decayed to as_of."),
        Field(name="slow_counts", dtype=Array(Float64), description="The same, decayed more slowly."),
        Field(name="start_counts", dtype=Array(Float64), description="As counts, of clicks that began a session."),
        Field(name="slow_start_counts", dtype=Array(Float64), description="The same, decayed more slowly."),
        Field(name="first_seen", dtype=Array(Int64), description="First click of each, ms since 1970 UTC."),
        Field(name="categories", dtype=Array(String), description='"" where unknown.'),
        Field(name="users", dtype=Array(Bytes), description="Users of each: a bitmap of 256 hashes of user ids."),
        Field(name="log_id", dtype=String, description="The log of clicks that the position below belongs to."),
        Field(name="counted_to", dtype=Int64, description="Accepted clicks below this position are counted."),
        Field(name="read_to", dtype=Int64, description="Records of `accepted-clicks` below this offset are read."),
    ],
)

item_co_clicks = FeatureView(
    name=ITEM_CO_CLICKS,
    description="Items clicked together, of one partition: decayed co-clicks in event time. Partitions add up.",
    entities=[partition],
    ttl=NO_EXPIRY,
    source=_pushed(ITEM_CO_CLICKS),
    schema=[
        Field(name="partition", dtype=Int64),
        Field(name="as_of", dtype=Int64, description="Newest event time counted, ms since 1970 UTC."),
        Field(name="item_ids", dtype=Array(String), description="Every item that is listed or is a neighbour."),
        Field(name="lengths", dtype=Bytes, description="uint32 (little endian) of each item: its listed neighbours."),
        Field(name="neighbours", dtype=Bytes, description="uint32 of each neighbour: its place in item_ids, from 0."),
        Field(name="weights", dtype=Bytes, description="float32 of each neighbour: co-clicks, decayed to as_of."),
        Field(name="log_id", dtype=String, description="The log of clicks that the position below belongs to."),
        Field(name="counted_to", dtype=Int64, description="Accepted clicks below this position are counted."),
        Field(name="read_from", dtype=Int64, description="A restart reads `accepted-clicks` from this offset on."),
    ],
)

# Feature services: for Feast clients other than ours, such as a notebook, so that they ask for what the recommendation
# service reads by a name that stays (`store.get_online_features(store.get_feature_service("recommendation"), ...)`).
# Our own code reads whole rows (`features.store`).
profile_progress = FeatureView(
    name=PROFILE_PROGRESS,
    description="How far the profiles have come in one partition of the sessions, and what is missing of it.",
    entities=[sessions_partition],
    ttl=NO_EXPIRY,
    source=_pushed(PROFILE_PROGRESS),
    schema=[
        Field(name="sessions_partition", dtype=Int64),
        Field(name="next_offset", dtype=Int64, description="The profiles hold the sessions before this offset."),
        Field(name="missing_from", dtype=Int64, description="From here on sessions may be missing; -1: none is."),
        Field(name="noticed_at", dtype=Int64, description="When the last loss was noticed, ms since 1970 UTC."),
    ],
)

fast_weights = FeatureView(
    name=FAST_WEIGHTS,
    description="What turns the scores of an arm's answers into click probabilities.",
    entities=[arm],
    ttl=NO_EXPIRY,
    source=_pushed(FAST_WEIGHTS),
    schema=[
        Field(name="arm", dtype=String),
        Field(name="as_of", dtype=Int64, description="Newest event time learned, ms since 1970 UTC."),
        Field(name="weights", dtype=Bytes, description="JSON: for each model version its curve and its offsets."),
    ],
)

routers = FeatureView(
    name=ROUTERS,
    description="The revision of the router that an arm is served with; the row's time is when it begins to route.",
    entities=[arm],
    ttl=NO_EXPIRY,
    source=_pushed(ROUTERS),
    schema=[
        Field(name="arm", dtype=String),
        Field(name="epoch", dtype=String, description="The version of the router that began the epoch."),
        Field(name="sequence", dtype=Int64, description="Number of the revision in the epoch."),
        Field(name="router_version", dtype=String, description="A hash of its content."),
        Field(name="update", dtype=Bytes, description="Its record of the topic `router-updates`."),
    ],
)

recommendation = FeatureService(
    name="recommendation",
    description="What the recommendation service reads of a user.",
    features=[user_state],
)

trending = FeatureService(
    name="trending",
    description="What the recommendation service reads of the whole traffic, one row per partition.",
    features=[item_popularity, item_co_clicks],
)

DEFINITIONS = (
    user,
    partition,
    sessions_partition,
    arm,
    user_state,
    item_popularity,
    item_co_clicks,
    profile_progress,
    fast_weights,
    routers,
    recommendation,
    trending,
)
"""Everything that `features.repository` registers."""
