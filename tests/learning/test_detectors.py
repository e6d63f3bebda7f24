"""Detectors are quiet as long as nothing changes, and see a change soon."""

from __future__ import annotations

import numpy as np
import pytest

from mos_online.learning.alarms import HOLD_OFF, REPEATED, DriftAlarm, HoldOff, Signal
from mos_online.learning.detectors import AdaptiveWindow, Cusum, cusum_threshold
from mos_online.learning.monitor import CUSUM_THRESHOLD, SHARE_DELTA, DriftMonitor, loss_residual

HOUR = 3_600_000


def residuals(count: int, *, seed: int, clicks: float = 1.0, ctr: float = 0.1) -> list[float]:
    rng = np.random.default_rng(seed)
    p = np.clip(rng.beta(2, 2 / ctr - 2, count), 1e-3, 0.9)
    clicked = rng.random(count) < np.clip(p * clicks, 0, 1)
    return list(((clicked - p) / np.sqrt(p * (1 - p))).tolist())


@pytest.mark.parametrize(("clicks", "most"), [(1.5, 2_000), (0.5, 2_000)])
def test_a_cusum_is_quiet_and_sees_more_and_fewer_clicks(clicks: float, most: int) -> None:
    cusum = Cusum(CUSUM_THRESHOLD)
    assert sum(map(cusum.update, residuals(100_000, seed=1))) <= 1
    delay = next(n for n, value in enumerate(residuals(20_000, seed=2, clicks=clicks)) if cusum.update(value))

    assert delay < most
    assert (cusum.after > 0) == (clicks > 1)


def test_a_threshold_keeps_its_promise() -> None:
    """With normal residuals there is about one alarm in so many events."""
    cusum = Cusum(cusum_threshold(2_000))
    values = np.random.default_rng(3).normal(size=200_000).tolist()

    assert 70 <= sum(map(cusum.update, values)) <= 130


def test_a_share_that_moves_is_seen_and_one_that_stays_is_not() -> None:
    rng, window = np.random.default_rng(4), AdaptiveWindow(SHARE_DELTA / 15)
    assert sum(map(window.update, (rng.random(50_000) < 0.12).astype(float).tolist())) == 0
    delay = next(n for n, value in enumerate((rng.random(5_000) < 0.20).astype(float).tolist()) if window.update(value))

    assert delay < 1_500
    assert window.before == pytest.approx(0.12, abs=0.03)
    assert window.after > window.before


def test_the_residual_of_a_loss_has_mean_0() -> None:
    for p in (1e-3, 0.1, 0.5, 0.9, 0.999):
        yes, no = loss_residual(p, clicked=True), loss_residual(p, clicked=False)
        assert p * yes + (1 - p) * no == pytest.approx(0, abs=1e-12)
        assert (yes > no) == (p < 0.5)


def test_scores_that_say_less_than_before_are_a_drift_of_the_loss_alone() -> None:
    """As many items are clicked, but no more those with high scores."""
    rng, monitor = np.random.default_rng(5), DriftMonitor()
    p = rng.beta(0.5, 4.5, 60_000)
    mixed = np.concatenate([p[:30_000], rng.permutation(p[30_000:])])
    found = set()
    for at, (said, true) in enumerate(zip(p.tolist(), mixed.tolist(), strict=True)):
        alarms = monitor.impression("a", 1, at, p=said, clicked=bool(rng.random() < true))
        found |= {alarm.signal for alarm in alarms if alarm.at >= 30_000}

    assert "loss" in found


def test_a_probability_of_0_or_1_is_taken() -> None:
    monitor = DriftMonitor()
    for p in (0.0, 1.0, 1e-300):
        for clicked in (True, False):
            list(monitor.impression("a", 1, 0, p=p, clicked=clicked))


def alarm(signal: Signal, at: int, *, theme: int | None = None, arm: str = "a", detail: str = "") -> DriftAlarm:
    return DriftAlarm(signal, arm, theme, at, 0.0, 1.0, "router", detail)


def actions(hold_off: HoldOff, *alarms: DriftAlarm) -> list[str | None]:
    judged = map(hold_off.judge, alarms)
    return [one.action if one else None for one in judged]


def test_an_alarm_holds_others_of_its_signal_off_and_a_second_one_asks_for_more() -> None:
    hold_off = HoldOff()
    times = [0, HOLD_OFF - 1, HOLD_OFF, HOLD_OFF + HOUR, HOLD_OFF + HOUR + REPEATED]

    assert actions(hold_off, *(alarm("theme_share", at, theme=at % 3) for at in times)) == [
        "router",
        None,
        "router-fit",
        "router-fit",
        "router",
    ]
    assert (hold_off.raised, hold_off.held) == ({"theme_share": 4}, {"theme_share": 1})


def test_cures_that_do_not_help_each_other_do_not_hold_each_other_off() -> None:
    hold_off = HoldOff()
    assert actions(
        hold_off,
        alarm("calibration", 0, theme=1),
        alarm("calibration", 1, theme=2),
        alarm("calibration", 3, theme=1, arm="b"),
        alarm("calibration", 4, theme=2),
        alarm("loss", 5, theme=1),
        alarm("loss", 6, theme=2),
        alarm("limit", 7, detail="missing_clicks"),
        alarm("limit", 8, detail="unknown_items"),
    ) == ["fast-weights", "fast-weights", "fast-weights", None, "fine-tune", None, "stop", "stop"]


def test_the_cure_of_all_themes_is_that_of_each() -> None:
    hold_off = HoldOff()
    assert actions(
        hold_off,
        alarm("calibration", 0, theme=1),
        alarm("calibration", 1),
        alarm("calibration", 2, theme=2),
        alarm("calibration", 3, theme=2, arm="b"),
        alarm("calibration", 1 + HOLD_OFF, theme=2),
    ) == ["fast-weights", "fast-weights", None, "fast-weights", "fast-weights"]


def test_themes_are_watched_anew_after_an_alarm_of_all_of_them() -> None:
    rng, monitor, found = np.random.default_rng(6), DriftMonitor(), []
    for at in range(6_000):
        clicked = bool(rng.random() < (0.2 if at < 1_000 else 0.1))
        found += list(monitor.impression("a", at % 2, at, p=0.1, clicked=clicked))

    assert {(one.theme, one.at < 1_000) for one in found if one.signal == "calibration"} == {(None, True)}
