"""The shipped baselines, and what a baseline's rows mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.config import load_config
from qat.data import read_descriptor
from qat.evaluation.baseline import CLASSES, Expected, read_baseline, updated, write_baseline
from qat.workflow.network import task_of

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "baselines").rglob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_baseline_is_of_a_ready_config(path: Path) -> None:
    found = read_baseline(path)
    assert found.config == f"{path.parent.name}/{path.stem}"
    assert found.gate == load_config(found.config).QUANT.GATE
    title = task_of(load_config(found.config)).class_title
    classes = {f"{title} {one.name}" for one in read_descriptor(path.parent.name).classes}
    assert {name for rows in found.stages.values() for name in rows if name.startswith(CLASSES)} <= classes
    assert {"float", "calib", "int_infer"} <= found.stages.keys()


def test_every_data_set_has_one() -> None:
    sets = ["camvid", "cityscapes", "streets", "streets_crops", "streets_objects", "streets_persons"]
    assert [path.parent.name for path in SHIPPED] == sets


def test_few_predictions_have_wide_tolerances() -> None:
    figures = {"top1": 0.9, "share_of_float": 1.0, "top1_changed": 0.02, "top 1 car": 0.9, "logit_sqnr": 14.0}
    rows = updated(None, "a/b", {"calib": figures}, {}, 4).stages["calib"]
    assert {name: row.tolerance for name, row in rows.items()} == pytest.approx(
        {"top1": 0.03, "share_of_float": 0.03, "top1_changed": 0.02, "top 1 car": 0.15, "logit_sqnr": 1.5}
    )


@pytest.mark.parametrize(("measured", "holds"), [(0.7871, True), (0.7881, True), (0.7870, False), (0.7882, False)])
def test_a_published_figure_is_held_on_both_sides(measured: float, holds: bool) -> None:
    assert Expected(0.7876, 0.0005, "published", both_sides=True).holds("mean_iou", measured) == holds


def test_what_is_written_is_read(tmp_path: Path) -> None:
    figures = {"float": {"mean_iou": 0.5, "IoU road": 0.7}, "compiled ncnn": {"logit_sqnr": 120.0}}
    made = updated(None, "a/b", figures, {"torch": "2.6"}, 4)
    assert made.stages["compiled ncnn"]["logit_sqnr"].value == 60
    write_baseline(tmp_path / "new" / "b.yaml", made)
    assert read_baseline(tmp_path / "new" / "b.yaml") == made
