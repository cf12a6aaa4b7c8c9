"""Every task's row: figures by its own names, read back from them alone, and held against a count by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qat.data import read_descriptor
from qat.errors import UserError
from qat.evaluation import LogitStore, evaluate
from qat.evaluation.metrics import metrics, passes, share_of_float
from qat.evaluation.table import stage_table, summary, verdict
from qat.evaluation.tasks import TASKS, Frame, find_task, task_in

CLASSES = ("car", "bus", "van", "tram", "bike", "person")
CLASSIFICATION = find_task("classification")


def batches(labels: list[int] | None) -> list[dict[str, Any]]:
    """Pictures of one value each, which `network` reads."""
    image = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, 4, 4, 3)
    label = {} if labels is None else {"label": torch.tensor(labels)}
    return [
        {"image": image[half], "name": list("abcdef"[half]), **_part(label, half)} for half in (slice(4), slice(4, 6))
    ]


def _part(label: dict[str, Tensor], half: slice) -> dict[str, Tensor]:
    return {key: value[half] for key, value in label.items()}


def network(x: Tensor) -> Tensor:
    """The picture's value is its class."""
    return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), len(CLASSES)).float()


def other(x: Tensor) -> Tensor:
    """As `network`, but vans are taken for buses, and bikes for nothing known."""
    logits = network(x)
    logits[:, 1] += 2 * logits[:, 2]
    logits[:, [0, 1, 2, 3, 5]] += 9 * logits[:, 4:5]
    return logits


def measured(model: Any, labels: list[int] | None = list(range(6))) -> dict[str, Any]:  # noqa: B006
    result = evaluate(
        model,
        batches(labels),
        len(CLASSES),
        to_input=lambda image: image.permute(0, 3, 1, 2).float(),
        align_corners=False,
        reference=lambda names, x: network(x),
        task=CLASSIFICATION,
    )
    return json.loads(json.dumps(metrics(result, CLASSES, "tiny", {})))  # type: ignore[no-any-return]


def test_classification_counts_pictures() -> None:
    found = measured(other)
    assert (found["top1"], found["top5"]) == (4 / 6, 5 / 6)
    assert (found["top1_changed"], found["top5_left"]) == (2 / 6, 1 / 6)
    assert found["class_top1"] == {"car": 1, "bus": 1, "van": 0, "tram": 1, "bike": 0, "person": 1}
    assert found["logit_sqnr"] < 0


def test_its_gate_is_a_share_of_float_or_without_labels_of_pictures() -> None:
    for labels in (list(range(6)), None):
        stages = {"float": measured(network, labels), "calib": measured(other, labels)}
        assert share_of_float(stages["calib"], stages["float"]) == pytest.approx(4 / 6)
        assert not passes(stages["calib"], stages["float"], 0.99)
        said = "top 1" if labels else "first classes, picture by picture"
        assert f"keeps 66.67% of float's {said}" in verdict("calib", stages, 0.99)


def test_its_table_has_its_own_heads() -> None:
    heads = [column.header for column in stage_table({"float": measured(network)}).columns]
    assert "top 1" in heads
    assert "mIoU" not in heads
    assert summary(measured(other))[0].startswith("top1: 0.6667, top5: 0.8333; 6 images")


def test_a_wrong_output_or_label_is_one_line() -> None:
    with pytest.raises(UserError, match=r"output is shape \(4, 5\); expected logits \(N, 6\), one a class"):
        measured(lambda x: network(x)[:, :5])
    with pytest.raises(UserError, match="a label is class 6; expected 0 to 5"):
        measured(network, [0, 1, 2, 3, 4, 6])
    with pytest.raises(UserError, match="no task depth here"):
        find_task("depth")


def test_a_task_is_known_by_its_figures() -> None:
    assert [task_in({task.score: 0.5}).name for task in TASKS.values()] == list(TASKS)
    assert task_in({}).name == "segmentation"
    keys = [key for task in TASKS.values() for key in task.keys]
    assert len(set(keys)) == len(keys)


def test_outputs_of_several_tensors_are_stored_whole(tmp_path: Any) -> None:
    store = LogitStore(tmp_path, "key")
    outputs = (torch.randn(2, 3, 4, 4), torch.randn(2, 5))
    store.write(["a", "b"], outputs)
    store.finish()
    for name, index in (("b", 1), ("a", 0)):
        again = store.read([name])
        assert all(torch.equal(one, whole[index : index + 1]) for one, whole in zip(again, outputs, strict=True))


def test_classes_are_drawn_with_their_chances() -> None:
    classes = read_descriptor("streets_crops").class_set
    image = np.full((32, 48, 3), 200, np.uint8)
    car, bus = (CLASSIFICATION.predict(torch.eye(8)[[kind]] * 9, Frame((32, 48)))[0] for kind in (2, 4))
    drawing = CLASSIFICATION.drawing
    assert drawing is not None
    drawn = drawing.prediction(image, car, classes), drawing.prediction(image, bus, classes)
    assert drawn[0].shape == (224, 336, 3)
    assert not np.array_equal(*drawn)
    assert np.array_equal(drawing.changes(image, car, car, classes), drawing.changes(image, bus, bus, classes))
    assert not np.array_equal(drawing.changes(image, car, bus, classes), drawing.changes(image, car, car, classes))
    assert (image == 200).all()
    assert float(car[0, 1]) > 0.99
