from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from qat.errors import UserError
from qat.evaluation.table import stage_table, summary, verdict

IOU = {"road": 0.95, "pole": 0.30, "train": None}


def stage(mean_iou: float, image_list: str = "abc", **more: Any) -> dict[str, Any]:
    content = {"mean_iou": mean_iou, "pixel_acc": 0.93, "class_iou": IOU, "images": 4, "image_list": image_list}
    return content | {"forward_seconds": 0.8} | more


FLOAT = stage(0.6562)
CALIB = stage(0.6550, class_iou={"road": 0.94, "pole": 0.31, "train": None}, pixels_changed=0.00574, logit_sqnr=27.04)


def rows(stages: dict[str, Any]) -> dict[str, list[str]]:
    """The cells of each stage's row that aren't empty."""
    table = stage_table(stages)
    cells = zip(*(column.cells for column in table.columns), strict=True)
    return {str(name): [str(cell) for cell in rest if cell] for name, *rest in cells}


def test_each_stage_is_a_row_against_float() -> None:
    printed = rows({"float": FLOAT, "calib": CALIB})
    assert printed["float"] == ["65.62", "93.00", "pole 30.00", "4", "200.0"]
    assert printed["calib"] == ["65.50", "99.82", "-0.12", "93.00", "0.574", "27.0", "road 94.00 (-1.00)", "4", "200.0"]


def test_everything_is_readable_in_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    long = dict(CALIB, class_iou={"road": 0.95, "traffic light": 0.2, "train": None})
    reference = dict(FLOAT, class_iou={"road": 0.95, "traffic light": 0.3, "train": None})
    console.print(stage_table({"float": reference, "int_infer": long}))
    text = console.export_text()
    assert "…" not in text
    for cell in ("int_infer", "traffic light", "20.00 (-10.00)"):
        assert cell in text


def test_equal_logits_say_so() -> None:
    assert "equal" in rows({"float": FLOAT, "calib": dict(CALIB, logit_sqnr=None)})["calib"]


def test_a_stage_of_other_images_is_shown_without_comparison() -> None:
    other = dict(CALIB, image_list="other", images=2)
    assert rows({"float": FLOAT, "calib": other})["calib"] == [
        *("65.50", "93.00", "0.574", "27.0", "pole 31.00", "2", "400.0")
    ]


def test_a_set_without_any_class_still_prints() -> None:
    assert rows({"float": stage(0.0, class_iou={"road": None})})["float"] == ["0.00", "93.00", "4", "200.0"]


@pytest.mark.parametrize(
    ("name", "stages", "expected"),
    [
        ("float", {"float": 0.6562}, "float: mIoU 65.62%; next: make calib"),
        (
            "calib",
            {"calib": 0.6},
            "calib: not compared, because float isn't evaluated yet; next: make eval STAGE=float",
        ),
        (
            "calib",
            {"float": 0.8, "calib": 0.799},
            "calib keeps 99.88% of float's mIoU: passes the gate of 99.00%; next: make eval STAGE=int_infer",
        ),
        (
            "int_infer",
            {"float": 0.8, "int_infer": 0.8},
            "int_infer keeps 100.00% of float's mIoU: passes the gate of 99.00%; next: make compile",
        ),
    ],
    ids=["float", "no float", "calib passes", "int8 passes"],
)
def test_verdicts(name: str, stages: dict[str, float], expected: str) -> None:
    assert verdict(name, {key: stage(value) for key, value in stages.items()}, 0.99) == expected


@pytest.mark.parametrize(
    ("name", "stages", "advice"),
    [
        ("calib", {"float": 0.8, "calib": 0.7}, "try another QUANT.OBSERVER"),
        ("calib", {"float": 0.8, "calib": 0.7}, "fine-tune"),
        ("qat", {"float": 0.8, "qat": 0.7}, "fine-tune longer"),
        ("int_infer", {"float": 0.8, "calib": 0.8, "int_infer": 0.7}, "debug"),
        ("int_infer", {"float": 0.8, "int_infer": 0.7}, "debug"),
        (
            "int_infer",
            {"float": 0.8, "calib": 0.7, "int_infer": 0.7},
            "calib is below it too: try another QUANT.OBSERVER",
        ),
        ("int_infer", {"float": 0.8, "calib": 0.7, "qat": 0.8, "int_infer": 0.7}, "debug"),
    ],
    ids=["observer", "fine-tune", "qat", "int8", "int8 alone", "int8 after a bad calib", "int8 after a good qat"],
)
def test_below_the_gate_says_what_to_try(name: str, stages: dict[str, float], advice: str) -> None:
    line = verdict(name, {key: stage(value) for key, value in stages.items()}, 0.99)
    assert line.startswith(f"{name} keeps 87.50% of float's mIoU, below the gate of 99.00%; ")
    assert advice in line.partition("; ")[2]


def test_a_verdict_on_other_images_is_refused() -> None:
    with pytest.raises(UserError, match="different images"):
        verdict("calib", {"float": FLOAT, "calib": stage(0.6, image_list="other")}, 0.99)


def test_the_summary_names_figures_as_pidnet_does() -> None:
    means, classes = summary(stage(0.6562, mean_acc=0.7, seconds=72))
    assert means == "MeanIU: 0.6562, Pixel_Acc: 0.9300, Mean_Acc: 0.7000; 4 images in 1.2 minutes"
    assert classes == "Class IoU: road 0.9500, pole 0.3000, train -"
    assert summary(stage(0.5) | {"mean_iou": None}) == []
