from __future__ import annotations

from typing import Any

import pytest

from qat.training.initial_graph import Start, StartConfig, equalises, learns_scales

FLOAT = {"mean_iou": 0.8, "image_list": "a", "class_iou": {"road": 0.8}}
GOOD = {"float": FLOAT, "calib": FLOAT | {"mean_iou": 0.795}}
POOR = {"float": FLOAT, "calib": FLOAT | {"mean_iou": 0.7}}
UNKNOWN = "calib isn't evaluated (make eval STAGE=calib)"
FAILS, PASSES = "calib fails QUANT.GATE 0.99", "calib passes QUANT.GATE 0.99"


@pytest.mark.parametrize(
    ("key", "finished", "learn", "why"),
    [
        ("auto", GOOD, False, PASSES),
        ("auto", POOR, True, FAILS),
        ("auto", {}, True, UNKNOWN),
        ("frozen", POOR, False, "QAT.SCALES is frozen"),
        ("learnt", GOOD, True, "QAT.SCALES is learnt"),
    ],
    ids=["good", "poor", "unknown", "frozen", "learnt"],
)
def test_scales_learn_after_a_poor_calibration(key: str, finished: dict[str, Any], learn: bool, why: str) -> None:
    assert learns_scales(StartConfig(scales=key), finished) == (learn, why)


@pytest.mark.parametrize(
    ("config", "finished", "equalised", "why"),
    [
        (StartConfig(), GOOD, False, PASSES),
        (StartConfig(), POOR, True, FAILS),
        (StartConfig(), {}, True, UNKNOWN),
        (StartConfig(equalise="never"), POOR, False, "QAT.EQUALISE is never"),
        (StartConfig(tuned=("EQUALISE",)), POOR, False, "QUANT.EQUALISE is on"),
        (StartConfig(tuned=("ADAROUND", "MAX_DROP")), POOR, False, "QUANT.ADAROUND is on"),
    ],
)
def test_channels_are_equalised_after_a_poor_calibration_that_nothing_tuned(
    config: StartConfig, finished: dict[str, Any], equalised: bool, why: str
) -> None:
    assert equalises(config, finished) == (equalised, why)


def test_the_line_that_is_logged_and_the_record() -> None:
    start = Start.of(StartConfig(scales="frozen"), POOR)
    assert str(start) == (f"activation scales are frozen: QAT.SCALES is frozen; channels are equalised first: {FAILS}")
    assert start.record() == {"scales learn": False, "equalised": True}
