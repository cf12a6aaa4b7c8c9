from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from qat.errors import UserError
from qat.training import DistContext, Trainer, loop
from qat.workflow.training import train_config
from tests.networks import CLASSES, TinyNet, tiny_net
from tests.training.tiny import Pictures, tiny_config

CPU = DistContext(torch.device("cpu"))


def make_trainer(folder: Path, *opts: str, **faults: int) -> Trainer:
    settings = train_config(tiny_config(folder, *opts))
    return Trainer(settings, CPU, tiny_net(), Pictures(6, True, **faults), Pictures(3, False))


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return load_file(trainer.folder / "final.safetensors")


@pytest.mark.parametrize(
    "opts", [(), ("TRAIN.OPTIMIZER", "adamw", "TRAIN.AMP", "bf16", "WORKERS", "1")], ids=["sgd", "adamw"]
)
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path: Path, opts: tuple[str, ...]) -> None:
    whole = make_trainer(tmp_path / "whole", *opts)
    expected = whole.run()
    with pytest.raises(UserError, match="killed"):
        make_trainer(tmp_path / "stopped", *opts, broken_epoch=2).run()
    resumed = make_trainer(tmp_path / "stopped", *opts, "TRAIN.RESUME", "True")
    assert resumed.run() == expected
    assert len(expected) == 4
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert (resumed.folder / "history.json").read_text() == (whole.folder / "history.json").read_text()


def test_one_value_a_channel_is_one_line(tmp_path: Path) -> None:
    class Pooled(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(CLASSES)

        def forward(self, x: Tensor) -> list[Tensor]:
            detail, logits, boundary = super().forward(x)
            return [detail, logits + self.norm(logits.mean((2, 3), keepdim=True)), boundary]

    settings = train_config(tiny_config(tmp_path, "TRAIN.BATCH_SIZE_PER_GPU", "1"))
    trainer = Trainer(settings, CPU, Pooled(), Pictures(2, True), Pictures(1, False))
    with pytest.raises(UserError, match=r"one value a channel.*TRAIN\.BATCH_SIZE_PER_GPU to 2"):
        trainer.run()


def test_training_learns_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "TRAIN.END_EPOCH", "12", "TRAIN.EVAL_EVERY", "3")
    history = trainer.run()
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    scores = {record["epoch"]: record["mean_iou"] for record in history if "mean_iou" in record}
    assert list(scores) == [3, 6, 9, 12]
    assert trainer.progress.best == max(scores.values()) > 0.8
    assert load_file(trainer.folder / "best.safetensors").keys() == tiny_net().state_dict().keys()
    assert json.loads((trainer.folder / "history.json").read_text()) == history


def test_the_averaged_weights_are_exported_not_the_newest(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "TRAIN.END_EPOCH", "1", "TRAIN.EMA", "0.999")
    trainer.run()
    torch.testing.assert_close(weights(trainer), dict(trainer.state.average.model.state_dict()), rtol=0, atol=0)
    assert not torch.equal(
        weights(trainer)["final_layer.weight"], trainer.state.model.state_dict()["final_layer.weight"]
    )


def test_nan_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, nan_epoch=2)
    with pytest.raises(UserError, match=r"^loss nan, .* at iteration 6; lower TRAIN\.LR .* after epoch 2 is kept"):
        trainer.run()
    resumed = make_trainer(tmp_path, "TRAIN.RESUME", "True")
    assert [record["epoch"] for record in resumed.run()] == [1, 2, 3, 4]


def test_a_broken_weight_is_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tmp_path)

    def overflow(self: torch.optim.Optimizer, closure: Any = None) -> None:
        self.param_groups[0]["params"][0].data.fill_(float("inf"))

    monkeypatch.setattr(torch.optim.SGD, "step", overflow)
    for check in ("check_loss", "check_gradients"):
        monkeypatch.setattr(loop, check, lambda *_: None)
    with pytest.raises(UserError, match=r"NaN or infinity in body\.0\.weight after epoch 1; .*no epoch was finished"):
        trainer.run()
    assert not (trainer.folder / "checkpoint.pth.tar").exists()


def test_a_changed_config_is_logged_when_resuming(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_trainer(tmp_path, "TRAIN.END_EPOCH", "1").run()
    with caplog.at_level(logging.INFO):
        make_trainer(tmp_path, "TRAIN.END_EPOCH", "2", "AUTO_RESUME", "True").run()
    assert "-   END_EPOCH: 1" in caplog.text
    assert "+   END_EPOCH: 2" in caplog.text


def test_starting_anew_over_a_run_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_trainer(tmp_path, "TRAIN.END_EPOCH", "1").run()
    history = make_trainer(tmp_path, "TRAIN.END_EPOCH", "1").run()
    assert "TRAIN.RESUME True would go on from it" in caplog.text
    assert len(history) == 1


def test_too_few_pictures_for_a_batch(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"6 training images .* no batch of 7; lower TRAIN\.BATCH_SIZE_PER_GPU"):
        make_trainer(tmp_path, "TRAIN.BATCH_SIZE_PER_GPU", "7")


@pytest.mark.parametrize("key", ["PRINT_FREQ", "TRAIN.EVAL_EVERY", "TRAIN.END_EPOCH"])
def test_a_count_of_zero_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(UserError, match=f"{key} is 0; expected at least 1"):
        make_trainer(tmp_path, key, "0")


def test_every_step_moves_the_bar_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer, moves = make_trainer(tmp_path), []
    with caplog.at_level(logging.INFO):
        trainer.run(lambda steps, text: moves.append((steps, text)))
    assert sum(steps for steps, _ in moves) == trainer.steps == 12
    assert "mIoU 0." in moves[-1][1]
    log = (trainer.folder / "train.log").read_text()
    assert log.count("iteration") == 12
    assert "epoch 4 of 4" in log


def test_num_images_limits_the_evaluation(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "TEST.NUM_IMAGES", "2")
    assert [batch["name"] for batch in trainer.data.val] == [["0"], ["1"]]


def test_the_config_is_kept_beside_the_weights(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, "TRAIN.END_EPOCH", "1")
    trainer.run()
    assert f"NUM_CLASSES: {CLASSES}" in (trainer.folder / "config.yaml").read_text()
