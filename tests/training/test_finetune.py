from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx

import qat
from qat.errors import UserError
from qat.evaluation.distance import divergence
from qat.origin import Origin
from qat.training import DistContext, FineTuner
from qat.workflow.fine_tuning import fine_tune_config, plan_of
from tests.training.events import read_events
from tests.training.tiny import Pictures, tiny_config, tiny_pair

CPU = DistContext(torch.device("cpu"))
ORIGIN = Origin({"calib's checkpoint (sha256)": "abc", "float weights sha256": "def"})
State = dict[str, Tensor]


def make_tuner(
    folder: Path, *opts: str, learn: bool = True, origin: Origin = ORIGIN, **faults: Any
) -> tuple[FineTuner, list[State]]:
    """A run from a poor calibration, and what it keeps."""
    cfg = tiny_config(folder, "QAT.END_EPOCH", "4", "QAT.EMA", "0.9", "QAT.LR", "0.01", *opts)
    kept: list[State] = []

    def keep(prepared: fx.GraphModule, epochs: int) -> None:
        assert epochs == cfg.QAT.END_EPOCH
        kept.append({name: value.clone() for name, value in prepared.state_dict().items()})

    pictures = Pictures(6, True, **faults), Pictures(3, False)
    settings = fine_tune_config(cfg, plan_of(cfg), origin)
    return FineTuner(settings, CPU, tiny_pair(learn), *pictures, keep), kept


@torch.no_grad()
def distance(tuner: FineTuner) -> float:
    """How far the result is from float on new pictures."""
    images = torch.stack([Pictures(20, True)[i]["image"] for i in range(6, 20)])
    return float(divergence(qat.fake_quantized(tuner.pair.prepared)(images), tuner.pair.teacher(images)[0]))


def test_a_poor_calibration_recovers(tmp_path: Path) -> None:
    tuner, _ = make_tuner(tmp_path, "QAT.END_EPOCH", "8", "QAT.LR", "0.05", "QAT.SCALE_LR", "0.05")
    before = distance(tuner)
    history = tuner.run()
    assert distance(tuner) < 0.1 * before
    assert history[-1]["loss"] < 0.1 * history[0]["loss"]
    assert history[-1]["mean_iou"] > 0.95


def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path: Path) -> None:
    whole, expected = make_tuner(tmp_path / "whole")
    history = whole.run()
    with pytest.raises(UserError, match="killed"):
        make_tuner(tmp_path / "stopped", broken_epoch=2)[0].run()
    resumed, kept = make_tuner(tmp_path / "stopped")
    assert resumed.run() == history
    assert len(history) == 4
    torch.testing.assert_close(kept, expected, rtol=0, atol=0)


def test_a_finished_run_leaves_nothing_to_resume(tmp_path: Path) -> None:
    for _ in range(2):
        tuner, kept = make_tuner(tmp_path)
        assert len(tuner.run()) == 4
        assert len(kept) == 1
        assert not (tuner.folder / "checkpoint.pth.tar").exists()


def test_the_result_is_the_average(tmp_path: Path) -> None:
    tuner, _ = make_tuner(tmp_path, "QAT.EMA", "0.999")
    tuner.run()
    image = Pictures(1, True)[0]["image"][None]
    result = qat.fake_quantized(tuner.pair.prepared)(image)
    torch.testing.assert_close(result, tuner.state.average.model(image)[0], rtol=0, atol=1e-5)
    assert not torch.equal(result, tuner.pair.student(image)[0])


@pytest.mark.parametrize("learn", [True, False], ids=["learnt", "frozen"])
def test_scales_learn_or_stay(tmp_path: Path, learn: bool) -> None:
    tuner, kept = make_tuner(tmp_path, learn=learn)
    before = {name: value.clone() for name, value in tuner.pair.prepared.state_dict().items()}
    tuner.run()
    moved = {name for name, value in kept[0].items() if not torch.equal(value, before[name])}
    assert any(name.endswith(".scale") for name in moved) == learn
    assert not any(name.endswith(("weight_scale", "zero_point")) for name in moved)
    assert {"body.0.0.weight", "final_layer.bias"} <= moved


@pytest.mark.parametrize("other", [("QAT.LR", "0.5"), ("TRAIN.SEED", "5"), ("LOSS.OHEMTHRES", "0.5")])
def test_other_settings_start_anew_unless_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other: tuple[str, str]
) -> None:
    with pytest.raises(UserError, match="killed"):
        make_tuner(tmp_path, broken_epoch=2)[0].run()
    told, _ = make_tuner(tmp_path, *other, "TRAIN.RESUME", "True")
    assert told.refuses(told.folder / "checkpoint.pth.tar") == ""
    make_tuner(tmp_path, *other)[0].run()
    assert "TRAIN.RESUME True would go on from it" in caplog.text


def test_what_it_doesnt_read_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="killed"):
        make_tuner(tmp_path, broken_epoch=2)[0].run()
    tuner, _ = make_tuner(tmp_path, "TRAIN.LR", "0.3", "TRAIN.AMP", "bf16", "PRINT_FREQ", "7")
    assert tuner.refuses(tuner.folder / "checkpoint.pth.tar") == ""


def test_another_calibration_starts_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match="killed"):
        make_tuner(tmp_path, broken_epoch=2)[0].run()
    origin = ORIGIN.with_values({"calib's checkpoint (sha256)": "xyz"})
    assert len(make_tuner(tmp_path, "TRAIN.RESUME", "True", origin=origin)[0].run()) == 4
    assert "it started from another calibration" in caplog.text


def test_an_older_run_lacks_a_name_and_has_another_order(tmp_path: Path) -> None:
    """An interrupted run goes on after an update of the program that adds a key."""
    with pytest.raises(UserError, match="killed"):
        make_tuner(tmp_path, broken_epoch=2)[0].run()
    names = dict(reversed(ORIGIN.values.items()))
    newer = Origin({"new": 1, **names}, defaults={"new": 1})
    tuner, _ = make_tuner(tmp_path, origin=newer)
    assert tuner.refuses(tuner.folder / "checkpoint.pth.tar") == ""
    other, _ = make_tuner(tmp_path, origin=Origin({"new": 2, **names}, defaults={"new": 1}))
    assert "(new 1, now it is 2); TRAIN.RESUME True" in other.refuses(tuner.folder / "checkpoint.pth.tar")


def test_nan_stops_names_the_tensor_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    tuner, kept = make_tuner(tmp_path, nan_epoch=2)
    expected = (
        r"^loss nan, .*: first in the pictures at iteration 6; lower QAT\.LR; the checkpoint after epoch 2 is kept"
    )
    with pytest.raises(UserError, match=expected):
        tuner.run()
    assert not kept
    assert [record["epoch"] for record in make_tuner(tmp_path)[0].run()] == [1, 2, 3, 4]


def test_a_weight_that_rounding_would_hide_is_named(tmp_path: Path) -> None:
    tuner, kept = make_tuner(tmp_path)
    with torch.no_grad():
        tuner.pair.student.get_parameter("body.0.0.parametrizations.bias.original")[0] = float("inf")
    with pytest.raises(UserError, match=r"body\.0\.0\.bias (at iteration 0|after epoch 1); lower QAT\.LR; no epoch"):
        tuner.run()
    assert not kept


def test_labels_are_not_needed(tmp_path: Path) -> None:
    tuner, _ = make_tuner(tmp_path, "QAT.END_EPOCH", "8", "QAT.LR", "0.05", "QAT.SCALE_LR", "0.05", labels=False)
    before = distance(tuner)
    assert all(record["labels"] == 0 for record in tuner.run())
    assert distance(tuner) < 0.1 * before


def test_a_part_can_be_switched_off(tmp_path: Path) -> None:
    tuner, _ = make_tuner(tmp_path, "QAT.LOGITS", "0.0", "QAT.LABELS", "2.0")
    plain, _ = make_tuner(tmp_path, "QAT.LABELS", "1.0")
    batch = next(iter(tuner.data.train))
    losses = tuner.losses(batch)
    assert losses["logits"] == 0
    assert losses["loss"] == losses["labels"]
    assert float(losses["labels"].detach()) == pytest.approx(2 * float(plain.losses(batch)["labels"].detach()))


def test_the_board_shows_loss_scales_and_weights(tmp_path: Path) -> None:
    tuner, _ = make_tuner(tmp_path)
    tuner.run()
    events = list(read_events(tmp_path / "log" / "streets" / "tiny" / "qat"))
    tags = {value.tag for event in events for value in event.summary.value}
    assert {"train/loss", "train/labels", "train/logits", "val/mean_iou"} <= tags
    assert {"weight/body.0.0", "weight/final_layer", "scale/x", "scale/body_0"} <= tags
    assert all(event.step <= tuner.steps for event in events)
