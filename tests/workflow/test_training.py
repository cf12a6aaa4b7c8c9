"""What a config says of a training."""

from __future__ import annotations

import pytest
import torch

from qat.config import load_config
from qat.errors import UserError
from qat.workflow.network import anchors_in
from qat.workflow.training import loss_config, plan_of, train_config

WEIGHTS = (0.5, 1.5)


def test_class_weights_count_only_with_class_balance() -> None:
    assert loss_config(load_config(None), WEIGHTS).class_weights is None
    with pytest.raises(UserError, match=r"LOSS\.CLASS_BALANCE is True and the 19 classes have no weights"):
        loss_config(load_config(None, ["LOSS.CLASS_BALANCE", "True"]))
    assert loss_config(load_config(None, ["LOSS.CLASS_BALANCE", "True"]), WEIGHTS).class_weights == WEIGHTS


@pytest.mark.parametrize(
    "opts",
    [("LOSS.BALANCE_WEIGHTS", "[1.0]"), ("LOSS.OHEMTHRES", "0.0"), ("TRAIN.IGNORE_LABEL", "-1")],
    ids=lambda o: o[0],
)
def test_a_key_that_makes_no_loss_is_named(opts: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=opts[0]):
        loss_config(load_config(None, opts))


def test_training_has_its_own_keys() -> None:
    plan = plan_of(load_config(None, ["TRAIN.LR", "0.5", "TRAIN.WARMUP", "10", "TRAIN.END_EPOCH", "3"]))
    assert (plan.stage, plan.epochs, plan.lr_at(0, 100)) == ("train", 3, pytest.approx(0.05))


def test_the_optimiser_takes_trains_keys() -> None:
    options = ["TRAIN.OPTIMIZER", "adamw", "TRAIN.LR", "0.1", "TRAIN.WD", "0.5", "TRAIN.MOMENTUM", "0.8"]
    optimizer = train_config(load_config(None, options)).optimizer
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay, optimizer.momentum) == ("adamw", 0.1, 0.5, 0.8)


def test_a_detector_learns_and_is_scored_by_the_anchors_of_the_weights_that_it_starts_from() -> None:
    config = load_config("streets_objects/yolov5n_train")
    published, other = train_config(config), anchors_in({"model.24.anchors": torch.full((3, 3, 2), 2.0)})
    settings = train_config(config, anchors=other)
    assert published.loss.anchors == published.loop.task.anchors == published.network.anchors
    assert settings.loss.anchors == settings.loop.task.anchors == other
    assert other[2][0] == (64, 64)
