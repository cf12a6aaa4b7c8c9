"""A fork gives what the whole network with one layer switched gives; ranks follow the numbers."""

from __future__ import annotations

import pytest
import torch

from qat.analysis.networks import Subject
from qat.analysis.sensitivity import ALONE, Sensitivity, forks, ranks
from qat.errors import UserError
from tests.analysis.networks import block, samples

CLASSES = 3


@pytest.fixture(scope="module")
def subject() -> Subject:
    return block()


def measured(subject: Subject, labelled: bool = True, names: tuple[str, ...] = ()) -> Sensitivity:
    sensitivity = Sensitivity(subject, CLASSES, True, names)
    for sample in samples(labelled=labelled):
        sensitivity.add(sample, lambda done: None)
    return sensitivity


@torch.no_grad()
@pytest.mark.parametrize("on", [True, False])
def test_forks_are_whole_runs_with_one_layer_switched(subject: Subject, on: bool) -> None:
    switches, image = (subject.off if on else subject.on), samples()[0].image
    found = dict(forks(switches, image, list(switches), on))
    shared = {"conv", "conv_1"}  # one module: its weights are switched for both
    for name in set(switches) - shared:
        switches.set(on, [name])
        expected = switches.graph(image)
        switches.set(not on, [name])
        assert torch.equal(found[name], expected), name
    assert set(found) == set(switches)


def test_the_content(subject: Subject) -> None:
    content = measured(subject).rows(1.5)
    assert content["images"] == 2
    assert content["seconds"] == 1.5
    assert set(content["groups"]) == {"all", "weights", "activations"}
    assert [row["name"] for row in content["layers"]] == list(subject.on)
    for row in content["layers"]:
        assert set(row) == {"name", "module", "macs", *ALONE}
        assert set(row["alone_float"]) == {"mean_iou", "sqnr_db", "pixels_changed"}
        assert 0 <= row["alone_float"]["mean_iou"] <= 1
    assert content["float"]["sqnr_db"] is None
    assert content["float"]["pixels_changed"] == 0


def test_all_is_worse_than_weights_or_activations_alone(subject: Subject) -> None:
    groups = measured(subject).rows(0)["groups"]
    assert groups["all"]["sqnr_db"] < min(groups["weights"]["sqnr_db"], groups["activations"]["sqnr_db"])


def test_without_labels_there_is_no_miou(subject: Subject) -> None:
    content = measured(subject, labelled=False).rows(0)
    assert content["groups"]["all"]["mean_iou"] is None
    assert content["layers"][0]["alone_float"]["mean_iou"] is None
    assert content["ranks"]["alone_float"]["mean_iou"] is None
    assert len(content["ranks"]["alone_float"]["sqnr_db"]) == len(content["layers"])


def test_only_the_layers_asked_for_in_graph_order(subject: Subject) -> None:
    content = measured(subject, names=("tail", "gate")).rows(0)
    assert [row["name"] for row in content["layers"]] == ["gate", "tail"]


def test_a_wrong_layer(subject: Subject) -> None:
    with pytest.raises(UserError, match=r"no layer is called gates; did you mean gate\?"):
        Sensitivity(subject, CLASSES, True, ["gates"])


def test_ranks_put_the_costliest_first() -> None:
    def score(sqnr: float | None, miou: float) -> dict[str, float | None]:
        return {"sqnr_db": sqnr, "mean_iou": miou}

    rows = [
        {"name": "a", "alone_quantised": score(40.0, 0.5), "alone_float": score(30.0, 0.6)},
        {"name": "b", "alone_quantised": score(20.0, 0.4), "alone_float": score(33.0, 0.5)},
        {"name": "c", "alone_quantised": score(None, 0.7), "alone_float": score(29.0, 0.7)},
    ]
    assert ranks(rows, "alone_quantised") == {"sqnr_db": ["b", "a", "c"], "mean_iou": ["b", "a", "c"]}
    assert ranks(rows, "alone_float") == {"sqnr_db": ["b", "a", "c"], "mean_iou": ["c", "a", "b"]}
