"""Latent themes: a routing table learned from in-session co-occurrence, prototypes, and the router of both."""

from mos_online.themes.cooccurrence import TableConfig
from mos_online.themes.router import Router, RouterConfig

__all__ = ["Router", "RouterConfig", "TableConfig"]
