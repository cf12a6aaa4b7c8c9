from __future__ import annotations

import pytest

from qat.report.parts.stage_table import stage_panels, stage_rows
from tests.report.fakes import bare, metrics, sources


def test_a_row_holds_what_the_stage_cost() -> None:
    reference, calib, int8, _ = stage_rows(sources())
    assert (reference.mean_iou, reference.kept, reference.changed, reference.passes) == ("60.00", "–", "–", None)
    assert (reference.worst, reference.worst_iou) == ("sky", "30.00")  # the lowest
    assert (calib.kept, calib.change, calib.changed, calib.sqnr) == ("99.44", "−0.33", "0.400", "28.4")
    assert (int8.worst, int8.worst_iou) == ("sky", "−2.00")  # the largest loss
    assert (int8.milliseconds, reference.megabytes, calib.megabytes) == ("50.0", "31.0", "–")


@pytest.mark.parametrize(("gate", "passed"), [(0.99, True), (0.999, False)])
def test_the_gate(gate: float, passed: bool) -> None:
    assert stage_rows(sources(gate=gate))[1].passes is passed


def test_a_stage_of_other_images_is_shown_but_not_compared() -> None:
    other = metrics((0.9, 0.5, 0.2), 0.3) | {"image_list": "another"}
    row = stage_rows(sources(metrics={"float": metrics(), "calib": other}))[1]
    assert (row.kept, row.change, row.passes, row.worst) == ("–", "–", None, "sky")


def test_equal_logits_are_said_to_be_equal() -> None:
    same = metrics(changed=0.0) | {"logit_sqnr": None}
    assert stage_rows(sources(metrics={"float": metrics(), "calib": same}))[1].sqnr == "equal"


def test_panels_show_what_there_is() -> None:
    lost, changed, time, size = stage_panels(sources())
    assert [bar.name for bar in lost.bars] == ["calib", "int_infer", "compiled ort"]
    assert lost.mark == 0  # the gate lies furthest from float
    assert [bar.text for bar in changed.bars] == ["0.400", "0.500", "0.450"]
    assert len(time.bars) == 4
    assert {bar.name: bar.text for bar in size.bars} == {"float": "31.0", "compiled ort": "8.0"}
    assert [panel.title for panel in stage_panels(bare())] == ["Time of a forward pass"]
