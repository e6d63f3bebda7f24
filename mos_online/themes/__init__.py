"""Latent themes: a routing table learned from in-session co-occurrence, prototypes, and the router of both."""

from mos_online.themes.artefact import load_router, save_router
from mos_online.themes.config import RouterConfig
from mos_online.themes.cooccurrence import TableConfig
from mos_online.themes.fit import fit_router, router_from_table
from mos_online.themes.routed import UNROUTED, Routed
from mos_online.themes.router import Router

__all__ = [
    "UNROUTED",
    "Routed",
    "Router",
    "RouterConfig",
    "TableConfig",
    "fit_router",
    "load_router",
    "router_from_table",
    "save_router",
]
