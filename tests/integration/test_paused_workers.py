"""A worker that is paused and goes on after its partitions have gone to another one, with live data."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import msgspec
import pytest

from mos_online import contracts
from mos_online.contracts import LateEvent
from tests.integration.stream_system import StreamSystem
from tests.integration.test_session_clocks import a_system, click, clock, sessions

pytestmark = pytest.mark.slow

system = a_system


def late(system: StreamSystem) -> set[str]:
    found = [msgspec.json.decode(r.value or b"", type=LateEvent) for r in system.records(contracts.LATE_EVENTS)]
    return {event.click.event_id for event in found}


@pytest.mark.parametrize("system", ["embedded", "apache-create-time"], indirect=True)
def test_a_worker_that_was_paused_takes_nothing_back(system: StreamSystem, free_port: Callable[[], int]) -> None:
    """Its successor's clock has closed a session. An event that comes after that stays late, whoever starts next."""
    paused = system.worker("sessionizer")
    now = clock()
    system.send(contracts.CLICKS, [click("u", 0, now)])
    enough = threading.Event()

    def send() -> None:
        number = 0
        while not enough.wait(0.005):
            number += 1
            system.send(contracts.CLICKS, [click(f"other {number % 30}", number, now)])

    sending = threading.Thread(target=send)
    sending.start()
    system.until(lambda: system.metric("mos_sessionizer_clicks_total") >= 300, "clicks are taken")
    paused.send_signal(signal.SIGSTOP)  # there are clicks that it has taken since its last checkpoint
    enough.set()
    sending.join()
    try:
        system._ports.clear()  # nobody answers there
        owner = system.worker("sessionizer", port=free_port())
        system.until(lambda: sessions(system).get("u") == ["u-0"], "the wall clock closes the session")
        system.send(contracts.CLICKS, [click("u", 1, now + 500)])  # it would belong to the session
        system.until(lambda: late(system) == {"u-1"}, "the event is late")
    finally:
        paused.send_signal(signal.SIGCONT)
    system.until(lambda: system._ready(paused, system.settings.worker_port), "the first worker is a member again")
    for worker in (paused, owner):
        worker.kill()
        worker.wait()
    system._ports.clear()
    last = click("u", 2, clock())
    system.send(contracts.CLICKS, [last])
    system.worker("sessionizer", port=free_port())
    system.until(lambda: len(sessions(system).get("u", [])) > 1, "the last event is in a session")
    assert sessions(system)["u"] == ["u-0", "u-2"]
    assert late(system) == {"u-1"}
