"""Each number asks for its own remedy, in the vendor's order, with a command that can be typed."""

from __future__ import annotations

from typing import Any

import pytest

from qat.analysis.advice import advise
from qat.analysis.measurements import Measurements
from qat.invocation import Invocation

QUANT = {
    "OBSERVER": "percentile",
    "EQUALISE": False,
    "ADAROUND": False,
    "MAX_DROP": 0.0,
    "ENGINE": "auto",
    "GATE": 0.99,
}
CALLED = Invocation("configs/camvid/pidnet_s.yaml", ("OUTPUT_DIR", "/o", "DEBUG.IMAGES", "4"))


def score(sqnr: float | None, miou: float | None = 0.7) -> dict[str, float | None]:
    return {"mean_iou": miou, "sqnr_db": sqnr, "pixels_changed": 0.001}


def measurements(
    weights: float = 40.0, activations: float = 42.0, above: float = 1.0, outliers: int = 0, steps: float = 1.0,
    calib: float = 0.7, gain: float = 0.2, items: tuple[str, ...] = ("unfused BN",), sensitive: bool = True,
) -> Measurements:  # fmt: skip
    """A network with nothing wrong, but for what is given."""
    isolated = {"sqnr_db": 35.0, "relative_l2": 0.01, "cosine": 1.0, "max_steps": steps}
    row = {"name": "a", "isolated": isolated, "accumulated": isolated}
    layers = {
        "calib": {"layers": [row | {"above_best_db": {"activation": above, "weights": None}}]},
        "int_infer": {"layers": [row]},
    }
    groups = {"all": score(30.0, calib), "weights": score(weights), "activations": score(activations)}
    sensitivity: dict[str, Any] = {
        "float": score(None),
        "groups": groups,
        "layers": [{"name": "a", "alone_float": score(30.0 + gain), "alone_quantised": score(40.0)}],
    }
    channels = [{"channel": 0, "ratio": 9.0}] * outliers
    return Measurements(
        {"pairs": layers},
        {"layers": [{"name": "a", "outlier_channels": channels}]},
        sensitivity if sensitive else None,
        {"items": [{"check": check} for check in items]},
    )


def commands(measured: Measurements, **quant: Any) -> list[str]:
    steps = advise(measured, QUANT | quant, CALLED)["steps"]
    assert all(set(step) == {"why", "try", "command"} for step in steps)
    return [step["command"] for step in steps]


def options(measured: Measurements, **quant: Any) -> list[str]:
    return [command.rpartition("OUTPUT_DIR /o")[2].strip(' "') for command in commands(measured, **quant)]


def test_nothing_stands_out() -> None:
    assert commands(measurements(), OBSERVER="auto", ADAROUND=True) == []
    assert commands(measurements(sensitive=False)) == []


def test_the_command_keeps_the_run_s_options_but_not_debug_s() -> None:
    (command,) = commands(measurements(weights=30.0))
    expected = 'make calib CFG=configs/camvid/pidnet_s.yaml OPTS="OUTPUT_DIR /o QUANT.ADAROUND True"'
    assert command == expected


def test_an_installed_package_s_command_is_its_script_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.invocation.in_checkout", lambda: False)
    place = "-c configs/camvid/pidnet_s.yaml OUTPUT_DIR /o"
    assert commands(measurements(weights=30.0)) == [f"rtseg-qat calib {place} QUANT.ADAROUND True"]
    (kernels,) = commands(measurements(steps=3.0), OBSERVER="auto", ADAROUND=True)
    assert kernels == f"rtseg-qat eval --stage int_infer {place} QUANT.ENGINE program"


def test_each_cause_has_its_remedy() -> None:
    on = {"OBSERVER": "auto", "ADAROUND": True}
    assert options(measurements(weights=60.0)) == ["QUANT.OBSERVER auto"]
    assert options(measurements(above=7.0, sensitive=False)) == ["QUANT.OBSERVER auto"]
    assert options(measurements(outliers=2), **on) == ["QUANT.EQUALISE True"]
    assert options(measurements(gain=2.0), **on) == ["QUANT.MAX_DROP 0.0005"]
    assert options(measurements(steps=3.0), **on) == ["QUANT.ENGINE program"]
    assert commands(measurements(calib=0.69), **on)[0].startswith("make qat ")
    assert commands(measurements(items=("dead observer",)), **on)[0].startswith("make check ")


def test_what_is_on_already_is_not_advised_again() -> None:
    everything = {"OBSERVER": "auto", "EQUALISE": True, "ADAROUND": True, "MAX_DROP": 0.001}
    assert commands(measurements(weights=30.0, above=9.0, outliers=1, gain=3.0), **everything) == []


def test_the_vendor_s_order() -> None:
    measured = measurements(
        weights=40.0, above=9.0, outliers=1, steps=3.0, calib=0.5, gain=3.0, items=("dead observer",)
    )
    order = ["OBSERVER", "EQUALISE", "ADAROUND", "make qat", "STAGE=int_infer", "make check", "MAX_DROP"]
    for word, command in zip(order, commands(measured), strict=True):
        assert word in command
