"""The settings of all programs, read from ``MOS_*`` environment variables. Command-line options override them."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from mos_online.contracts import DEFAULT_EVENT_TYPES
from mos_online.errors import SettingsError
from mos_online.feedback.rules import JoinRules
from mos_online.items.distinct_users import MOST
from mos_online.ports import http_address
from mos_online.sessions.config import SessionConfig
from mos_online.system_settings import PREFIX, SystemSettings
from mos_online.variables import (
    check_variables,
    event_table,
    host_name,
    http_url,
    key,
    listed,
    networks,
    web_origins,
)

_LONGEST = 10 * 365 * 86_400
"""Seconds. No rule of the sessions needs longer, and times stay far from the bounds of their types."""

Seconds = Annotated[float, Field(allow_inf_nan=False, le=_LONGEST)]

SECRET = ("password", "api_key")
"""How the names of settings end whose values are never shown."""


class Settings(SystemSettings):
    """All settings in one flat list, so that one table documents them. Durations are in seconds.

    Load them with ``Settings.load()``, which turns every fault into a ``SettingsError`` that names the variable.
    """

    session_gap: Seconds = Field(
        1800, ge=0.001, description="A session ends when its user is idle for longer than this."
    )
    session_lateness: Seconds = Field(
        5,
        ge=0,
        description="An event may be this much older than the newest event of its partition. An older one is late.",
    )
    session_max_events: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="A session has at most this many events. The next event begins another session.",
    )
    session_max_duration: Seconds = Field(
        43_200, ge=0.001, description="The last event of a session is at most this long after its first event."
    )
    session_idle_timeout: Seconds = Field(
        5,
        ge=0.001,
        description="When a partition with live data has no records for this long, the wall clock moves its watermark.",
    )
    session_max_future: Seconds = Field(
        60,
        ge=0,
        description="An event whose time is further than this ahead of its arrival becomes a dead letter.",
    )
    session_publisher_ids: bool = Field(
        False, description="If true, events of a user with different `session_id` are never in one session."
    )
    session_revision: int = Field(
        1,
        ge=1,
        le=2**31 - 1,
        description="The value is written into every session. Raise it to sessionize a log again by other rules.",
    )

    event_types: Annotated[str, AfterValidator(event_table)] = Field(
        DEFAULT_EVENT_TYPES,
        description="What the types of events mean: `type:what[,type:what]`. A number makes the type an action. The "
        "number is its weight in the popularity of items. `exposure` means that an item was shown: the event is in no "
        "session and no profile, and it makes no item popular. `end` closes the session. `reject` makes a dead letter. "
        "`*` stands for all other types. See [your own clicks](your-data.md#types-of-events).",
    )

    popularity_item_limit: float = Field(
        5, gt=0, description="The weight that one user can add to the popularity of one item in an hour."
    )
    popularity_user_limit: float = Field(
        100, gt=0, description="The weight that one user can add to the popularity of all items together in an hour."
    )
    new_item_users: int = Field(
        60,
        ge=1,
        le=MOST,
        description="An item that the model was not trained on is recommended when so many different users have "
        "clicked it. Lower it if you have few users. See [popularity](operations.md#popularity).",
    )

    live_mixing: bool = Field(
        True,
        description="Whether the service learns how much co-clicks and popularity count beside the model, from what "
        "users click after they asked. Without it they count as the training has found.",
    )

    feedback_window: Seconds = Field(
        1800, ge=0.001, description="Impressions and clicks count for an answer for so long."
    )
    feedback_lateness: Seconds = Field(
        60,
        ge=0,
        description="A decision, an impression or a click may be this much older than the newest of its topic and "
        "still count for an outcome. MOS_SESSION_LATENESS holds if it is larger.",
    )

    serve_host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1", description="The address on which the service listens."
    )
    serve_port: int = Field(8000, ge=1, le=65535, description="The port on which the service listens.")
    serve_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        None,
        description="The URL at which the worker finds the service. By default it is made of `MOS_SERVE_HOST` and "
        "`MOS_SERVE_PORT`. The worker uses the proxy of `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, except for this "
        "machine (`localhost`, `127.0.0.1`, `::1`) and for the hosts in `NO_PROXY`.",
    )
    serve_replicas: int = Field(
        1, ge=1, le=1000, description="The number of replicas. Each is a process that holds the whole model."
    )
    api_key: Annotated[str, AfterValidator(key)] | None = Field(
        None,
        description="If it is set, requests must carry a key in the header `X-API-Key`. This key may ask everything, "
        "and the worker sends it. It has visible ASCII characters only.",
    )
    api_keys_file: Path | None = Field(
        None,
        description="The file of the keys that may ask, with a hash and the scopes of each. It is read again when it "
        "changes. `mos keys create` makes a key.",
    )
    pages_need_key: bool = Field(
        False,
        description="If true, `/metrics`, `/docs` and `/openapi.json` need a key with the scope `admin`, and the pages "
        "of Ray (`/-/...`) are closed. `/healthz` and `/readyz` stay open.",
    )
    trusted_proxies: Annotated[str, AfterValidator(networks)] = Field(
        "",
        description="The addresses or networks of the proxies in front of the service: `address[,address]`. Only their "
        "`X-Forwarded-For` is believed.",
    )

    cors_origins: Annotated[str, AfterValidator(web_origins)] = Field(
        "",
        description="The origins of the pages that may send events from a browser: `https://shop.example[,...]`, or "
        "`*` for all.",
    )

    decisions: bool = Field(
        True,
        description="If true, the service writes what it answers to the topic `decisions`. No answer waits for that.",
    )
    publish_room: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="In each replica so many records may wait for Kafka. Further decisions are dropped and counted, "
        "and further events are refused.",
    )

    worker_host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1",
        description="The address of the worker's `/metrics` and `/healthz`. Nothing there asks for a key. `0.0.0.0` "
        "lets other machines read them.",
    )
    worker_port: int = Field(6066, ge=1, le=65535, description="The port of the worker's `/metrics` and `/healthz`.")
    profile_cache_mb: int = Field(256, ge=1, description="The profiler keeps profiles in this much memory, in MiB.")
    learn_host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1", description="The address of the learner's `/metrics` and `/healthz`. Nothing there asks for a key."
    )
    learn_port: int = Field(6067, ge=1, le=65535, description="The port of the learner's `/metrics` and `/healthz`.")
    learn_days: float = Field(
        30, gt=0, le=3650, description="The learner keeps sessions and outcomes for so many days of event time."
    )
    learn_minutes: float = Field(10, gt=0, le=1440, description="A fine-tuning may learn for so many minutes.")
    learn_threads: int = Field(1, ge=1, le=1024, description="A fine-tuning uses so many threads.")
    learn_log_mb: int = Field(
        1024, ge=1, description="The learner keeps at most so many MiB of them; the oldest go first."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Programs log messages of this level and above."
    )

    @classmethod
    def load(cls, **overrides: object) -> Settings:
        """Read the settings from the environment.

        Args:
            **overrides: values that take precedence over the environment; None means that there is none.

        Raises:
            SettingsError: a variable is unknown (the nearest name is given), or its value is empty or impossible.
        """
        known = {PREFIX + name.upper(): field.default for name, field in cls.model_fields.items()}
        check_variables(
            {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)},
            known=known,
            maybe_empty=[n for n, default in known.items() if default == "" or n.lower().endswith(SECRET)],
        )
        try:
            return cls(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            faults = "; ".join(_describe(fault) for fault in error.errors())
            raise SettingsError(faults) from None

    @property
    def sessions(self) -> SessionConfig:
        """The rules of the sessionizer, in milliseconds."""
        return SessionConfig(
            gap=round(self.session_gap * 1000),
            lateness=round(self.session_lateness * 1000),
            max_events=self.session_max_events,
            max_duration=round(self.session_max_duration * 1000),
            idle_timeout=round(self.session_idle_timeout * 1000),
            max_future=round(self.session_max_future * 1000),
            publisher_ids=self.session_publisher_ids,
            revision=self.session_revision,
            event_types=self.event_types,
        )

    @property
    def join_rules(self) -> JoinRules:
        """The rules of the joiner, in milliseconds."""
        lateness = max(self.feedback_lateness, self.session_lateness)
        return JoinRules(window=round(self.feedback_window * 1000), lateness=round(lateness * 1000))

    @property
    def proxies(self) -> tuple[str, ...]:
        """The networks of the trusted proxies, such as ``10.0.0.0/8`` or ``192.0.2.7``."""
        return listed(self.trusted_proxies)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of the pages that may send events from a browser."""
        return listed(self.cors_origins)

    @property
    def recommend_url(self) -> str:
        """The base URL of the recommendation service, without a trailing slash."""
        return (self.serve_url or self.local_serve_url).rstrip("/")

    @property
    def local_serve_url(self) -> str:
        """The base URL at which this machine reaches a service that it runs itself."""
        return http_address(self.serve_host, self.serve_port)

    def with_absolute_paths(self) -> Settings:
        """The same for a process that runs in another folder."""
        models = self.models if self.models is None or "://" in self.models else str(Path(self.models).absolute())
        keys = self.api_keys_file and self.api_keys_file.absolute()
        return self.model_copy(update={"home": self.home.resolve(), "models": models, "api_keys_file": keys})


def _describe(fault: ErrorDetails) -> str:
    field = "_".join(str(part) for part in fault["loc"])
    value = "(not shown)" if field.endswith(SECRET) else repr(fault["input"])
    return f"{PREFIX}{field.upper()}={value}: {fault['msg'].removeprefix('Value error, ')}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process. They are read once, at the first call."""
    return Settings.load()
