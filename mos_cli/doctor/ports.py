"""Our ports: free, taken by others, or answered by our own programs, as ``mos_online.health`` says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import httpx
import msgspec

from mos_cli.findings import Finding, Status
from mos_online.health import Health
from mos_online.ports import bind_fault, http_address, is_loopback
from mos_online.settings import Settings

TIMEOUT = 3.0
"""Seconds for an answer about health."""

Program = Literal["serve", "worker", "learn"]


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether our ports are ours to use, or already used by us."""
    yield _port("serve", settings.serve_host, settings.serve_port, "MOS_SERVE_HOST or MOS_SERVE_PORT")
    yield _port("worker", settings.worker_host, settings.worker_port, "MOS_WORKER_HOST or MOS_WORKER_PORT")
    yield _port("learn", settings.learn_host, settings.learn_port, "MOS_LEARN_HOST or MOS_LEARN_PORT")


def remote_service(settings: Settings) -> Iterator[Finding]:
    """Whether a service answers at ``MOS_SERVE_URL``, if that is set: the worker asks there."""
    if settings.serve_url is None:
        return
    url, part = settings.recommend_url, "MOS_SERVE_URL"
    try:
        said = httpx.get(f"{url}/readyz", timeout=TIMEOUT, trust_env=not is_loopback(url))
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:  # the last two: a proxy is wrong
        yield Finding(
            part=part,
            status=Status.FAIL,
            found=f"{url} does not answer: {error or type(error).__name__}",
            remedy="start `mos serve` there, or correct MOS_SERVE_URL (or HTTP_PROXY and NO_PROXY); until then the "
            "recommender waits",
        )
        return
    health = _health(said)
    if health is not None and health.program == "serve":
        yield Finding(part=part, status=Status.PASS, found=f"{url} is {health.status}")
    elif said.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        yield Finding(
            part=part,
            status=Status.WARN,
            found=f"{url} is not ready: {said.text[:200]}",
            remedy="wait, or look at the log of `mos serve`",
        )
    else:
        yield Finding(
            part=part,
            status=Status.FAIL,
            found=f"{url}/readyz answers {said.status_code}, but not as `mos serve` does",
            remedy="correct MOS_SERVE_URL: it is the base URL, without /v1/recommend",
        )


def _port(program: Program, host: str, port: int, variables: str) -> Finding:
    part, where = f"port of {program}", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fault = bind_fault(host, port)
    if fault is None:
        return Finding(part=part, status=Status.INFO, found=f"{where} is free; `mos {program}` is not running")
    try:
        said = httpx.get(f"{http_address(host, port)}/healthz", timeout=TIMEOUT, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        said = None
    health = _health(said) if said is not None else None
    if health is None:
        return Finding(
            part=part,
            status=Status.FAIL,
            found=f"cannot listen on {where} ({fault}), and there is none of our programs",
            remedy=f"stop what listens there (`lsof -i :{port}` names it), or change {variables}",
        )
    if health.program != program:
        return Finding(
            part=part,
            status=Status.FAIL,
            found=f"{where} is used by `mos {health.program}`",
            remedy=f"give each program a port of its own: change {variables}",
        )
    if not health.good:
        return Finding(
            part=part,
            status=Status.FAIL,
            found=f"`mos {program}` at {where} fails: {'; '.join(health.details)}",
            remedy="look at its log; restart it if that stays so for two minutes",
        )
    found = "; ".join([f"{where} is served by `mos {program}`", *health.details])
    return Finding(part=part, status=Status.PASS, found=found)


def _health(answer: httpx.Response) -> Health | None:
    try:
        return msgspec.json.decode(answer.content, type=Health)
    except msgspec.DecodeError:
        return None
