"""Load on a running `mos serve`, beside a FastAPI no-op under uvicorn started in the same run.

    mos serve &
    python benchmarks/serve_load.py --profiles 2000

Closed loop: each connection sends its next request when the last one is answered. With --rate: open loop, requests
start at fixed times whatever the answers do, and latency counts from that time. Loopback only; sizes are bounded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil
import uvloop

from mos_online.ports import free_port
from mos_online.settings import Settings
from mos_online.users.profile import UserProfile
from serving.scoring.fair_share import open_room
from serving.scoring.limits import Limits

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
HOUR = 3_600_000
MOST = open_room(Limits().max_pending)
"""Requests in flight; the service refuses more of one client, and this program is one."""


@dataclass
class Result:
    """What one run saw; latencies in seconds."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def line(self, name: str) -> str:
        """The result in one line."""
        cuts = statistics.quantiles(self.latencies, n=1000, method="inclusive")
        p50, p90, p99 = (cuts[i] * 1000 for i in (499, 899, 989))
        bad = {status: count for status, count in self.statuses.items() if status != 200}
        return (
            f"{name:<28}{len(self.latencies) / self.seconds:>9.0f}/s  p50 {p50:7.2f}  p90 {p90:7.2f}  p99 {p99:7.2f}  "
            f"max {max(self.latencies) * 1000:7.1f} ms" + (f"  not 200: {bad}" if bad else "")
        )


class Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection: just enough client to cost little beside the service."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; the future gives its status."""
        self._answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._answered is not None:
            self._buffer = body[length:]
            answered, self._answered = self._answered, None
            answered.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the service closed the connection"))


async def closed_loop(address: tuple[str, int], make: Callable[[], bytes], *, clients: int, seconds: float) -> Result:
    """Keep ``clients`` requests in flight for ``seconds``."""
    result = Result()
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Connection, *address))[1] for _ in range(clients)]
    started = time.perf_counter()

    async def client(connection: Connection) -> None:
        while (sent := time.perf_counter()) < started + seconds:
            result.statuses[await connection.ask(make())] += 1
            result.latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*(client(connection) for connection in connections))
    result.seconds = time.perf_counter() - started
    for connection in connections:
        connection.transport.close()
    return result


async def open_loop(address: tuple[str, int], make: Callable[[], bytes], *, rate: float, seconds: float) -> Result:
    """Start ``rate`` requests a second at fixed times; a late start counts as latency."""
    result = Result()
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait((await loop.create_connection(Connection, *address))[1])
    started = time.perf_counter()

    async def one(due: float) -> None:
        connection = await free.get()
        result.statuses[await connection.ask(make())] += 1
        result.latencies.append(time.perf_counter() - due)
        free.put_nowait(connection)

    tasks = []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    result.seconds = time.perf_counter() - started
    while not free.empty():
        free.get_nowait().transport.close()
    return result


def post(address: tuple[str, int], body: object, api_key: str | None) -> bytes:
    """A request's bytes."""
    content = json.dumps(body, separators=(",", ":")).encode()
    key = f"x-api-key: {api_key}\r\n" if api_key else ""
    head = f"POST /v1/recommend HTTP/1.1\r\nhost: {address[0]}\r\n{key}content-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def popular(url: str, api_key: str | None) -> tuple[list[str], str, int]:
    """Items the model knows, its router's version and number of themes, asked from the service."""
    headers = {"content-type": "application/json"} | ({"x-api-key": api_key} if api_key else {})
    body = json.dumps({"user_id": "nobody", "k": 100, "trigger": "test"}).encode()
    with urlopen(Request(f"{url}/v1/recommend", body, headers)) as answer:
        items = [item["item_id"] for item in json.load(answer)["items"]]
    with urlopen(Request(f"{url}/v1/model", headers=headers)) as answer:
        model = json.load(answer)
    return items, model["router_epoch"], len(model["themes"]) - 1


def write_profiles(settings: Settings, count: int, items: list[str], router_epoch: str, themes: int) -> None:
    """Give users u0, u1, ... full profiles: five sessions of four events for each theme, ten unrouted ones of five."""
    from features.store import OnlineStore  # noqa: PLC0415 - slow to import, and needed only here

    rng = random.Random(1)
    now = time.time_ns() // 1_000_000
    lengths = [4] * (5 * themes) + [5] * 10
    session_themes = [theme for theme in range(1, themes + 1) for _ in range(5)] + [0] * 10
    events = sum(lengths)
    store = OnlineStore.open(settings)
    for start in range(0, count, 500):
        store.delete_profiles([f"u{number}" for number in range(start, min(start + 500, count))])
        store.write_profiles(
            [
                UserProfile(
                    user_id=f"u{number}",
                    router_epoch=router_epoch,
                    item_ids=rng.choices(items, k=events),
                    timestamps=sorted(now - rng.randrange(HOUR, 1000 * HOUR) for _ in range(events)),
                    categories=[None] * events,
                    session_lengths=lengths,
                    session_keys=list(range(len(lengths))),
                    session_closes=list(range(len(lengths))),
                    session_themes=session_themes,
                    theme_sessions={0: 10} | dict.fromkeys(range(1, themes + 1), 5),
                    session_count=5 * themes + 10,
                    last_ended_at=now - HOUR,
                    last_closed_at=now - HOUR + 1,
                    last_session_id=f"s{now}",
                )
                for number in range(start, min(start + 500, count))
            ]
        )
    store.close()


@contextmanager
def no_op() -> Iterator[tuple[str, int]]:
    """A FastAPI application that answers at once, under uvicorn in a process of its own."""
    port = free_port()
    code = (
        "from fastapi import FastAPI; import uvicorn; app = FastAPI()\n"
        "@app.post('/v1/recommend')\n"
        "async def recommend(body: dict) -> dict: return {}\n"
        f"uvicorn.run(app, port={port}, log_level='error')"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        for _ in range(200):
            try:
                with urlopen(f"http://127.0.0.1:{port}/openapi.json"):
                    break
            except OSError:
                time.sleep(0.1)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Run the load and print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=None, help="of the service; default MOS_SERVE_HOST and MOS_SERVE_PORT")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 8, 32], help=f"requests in flight, at most {MOST}"
    )
    parser.add_argument("--rate", type=float, nargs="*", default=[300], help="open loop, requests/s, at most 5000")
    parser.add_argument("--seconds", type=float, default=10, help="for each setting, at most 120")
    parser.add_argument("--profiles", type=int, default=0, help="write this many full profiles first, at most 100000")
    parser.add_argument("--events", type=int, default=3, help="events of the open session in each request, at most 500")
    options = parser.parse_args()
    settings = Settings.load()
    url = options.url or settings.recommend_url
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        parser.error(f"{url} is not on this machine; this program loads only loopback addresses")
    if max(options.clients) > MOST or max(options.rate, default=0) > 5000 or options.seconds > 120:
        parser.error(f"at most {MOST} clients, 5000 requests/s and 120 seconds")
    if options.profiles > 100_000 or options.events > 500:
        parser.error("at most 100000 profiles and 500 events")

    try:
        items, router_epoch, themes = popular(url, settings.api_key)
    except OSError as error:
        parser.error(f"{url} does not answer ({error}): start `mos serve` first")
    if options.profiles:
        write_profiles(settings, options.profiles, items, router_epoch, themes)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    rng = random.Random(0)

    def make() -> bytes:
        now = time.time_ns() // 1_000_000
        events = [{"item_id": rng.choice(items), "timestamp": now - 1000 * n} for n in range(options.events)]
        body = {
            "user_id": f"u{rng.randrange(max(options.profiles, 1000))}",
            "k": 10,
            "events": events,
            "trigger": "test",
        }
        return post(address, body, settings.api_key)

    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {len(items)} items in events, {themes} themes")
    with no_op() as baseline:
        for clients in options.clients:
            for name, target in (("FastAPI no-op", baseline), ("mos serve", address)):
                run(closed_loop(target, make, clients=clients, seconds=1))
                before = service_cpu()
                result = run(closed_loop(target, make, clients=clients, seconds=options.seconds))
                cpu = (service_cpu() - before) / len(result.latencies) * 1000
                suffix = f"  {cpu:.2f} ms CPU each" if target == address else ""
                print(result.line(f"{name}, {clients} in flight") + suffix)
        for rate in options.rate:
            result = run(open_loop(address, make, rate=rate, seconds=options.seconds))
            print(result.line(f"mos serve, {rate:.0f}/s offered"))


def service_cpu() -> float:
    """CPU seconds that replicas and HAProxy have used so far; unlike latency, little disturbed by other load."""
    used = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if str(process.info["name"]).startswith(("ray::ServeRepli", "haproxy")) and process.info["cpu_times"]:
            used += process.info["cpu_times"].user + process.info["cpu_times"].system
    return used


def run(work: Coroutine[None, None, Result]) -> Result:
    """Run in an event loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    main()
