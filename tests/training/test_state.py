from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from qat.errors import UserError
from qat.training.state import Progress, State, WeightAverage, decay_at, export, saved_config
from tests.networks import tiny_net


def make_state(model: nn.Module) -> State:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return State(model, WeightAverage(model, 0.9), optimizer, Progress())


def test_a_checkpoint_brings_back_everything(tmp_path: Path) -> None:
    saved, loaded = make_state(tiny_net(1)), make_state(tiny_net(2))
    saved.average.update(saved.model)
    saved.progress.epoch, saved.progress.iteration, saved.progress.best = 3, 17, 0.25
    saved.progress.history.append({"epoch": 3, "loss": 1.5, "class_iou": [0.5, None]})
    saved.save(tmp_path / "c", "LR: 1\nWD: 0\n")
    assert loaded.load(tmp_path / "c") == "LR: 1\nWD: 0\n"
    assert loaded.progress == saved.progress
    assert loaded.average.updates == 1
    for one, other in ((loaded.model, saved.model), (loaded.average.model, saved.average.model)):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
    assert str(loaded.optimizer.state_dict()) == str(saved.optimizer.state_dict())


def test_the_config_is_read_without_loading(tmp_path: Path) -> None:
    make_state(tiny_net()).save(tmp_path / "c", "LR: 1\n")
    assert saved_config(tmp_path / "c") == "LR: 1\n"


def test_a_failed_save_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = make_state(tiny_net())
    state.save(tmp_path / "c", "first")

    def full_disk(content: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(UserError, match="No space left"):
        state.save(tmp_path / "c", "second")
    assert state.load(tmp_path / "c") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"PK not a zip")
    with pytest.raises(UserError, match=f"can't read checkpoint {tmp_path / 'c'}"):
        make_state(tiny_net()).load(tmp_path / "c")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"format": 1, "state_dict": Path("pickled")}, tmp_path / "c")
    with pytest.raises(UserError, match="can't read checkpoint"):
        make_state(tiny_net()).load(tmp_path / "c")


def test_another_file_is_refused(tmp_path: Path) -> None:
    torch.save(tiny_net().state_dict(), tmp_path / "c")
    with pytest.raises(UserError, match=r"MODEL\.PRETRAINED"):
        make_state(tiny_net()).load(tmp_path / "c")


def test_another_network_is_refused(tmp_path: Path) -> None:
    make_state(nn.Linear(2, 2)).save(tmp_path / "c", "")
    with pytest.raises(UserError, match="another run"):
        make_state(tiny_net()).load(tmp_path / "c")


def test_exported_weights_are_a_bare_state_dict(tmp_path: Path) -> None:
    model = tiny_net().to(memory_format=torch.channels_last)
    export(model, tmp_path / "w.safetensors")
    torch.testing.assert_close(load_file(tmp_path / "w.safetensors"), dict(model.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize(("update", "expected"), [(0, 0.1), (1, 2 / 11), (80, 0.9), (10**6, 0.9)])
def test_the_decay_warms_up(update: int, expected: float) -> None:
    assert decay_at(update, 0.9) == pytest.approx(expected)


def test_weights_and_statistics_follow_the_recurrence() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.5)
    expected = {"weight": np.ones(2), "running_mean": np.zeros(2)}
    for update in range(20):
        values = {"weight": np.full(2, update * 1.5), "running_mean": np.array([update, -2.0 * update])}
        for name, value in values.items():
            model.state_dict()[name].copy_(torch.from_numpy(value))
        decay = min(0.5, (1 + update) / (10 + update))
        expected = {name: decay * expected[name] + (1 - decay) * values[name] for name in expected}
        average.update(model)
    state = average.model.state_dict()
    for name, value in expected.items():
        np.testing.assert_allclose(state[name].numpy(), value, rtol=1e-5)


def test_integer_buffers_are_copied() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.99)
    model(torch.randn(4, 2))
    model(torch.randn(4, 2))
    average.update(model)
    assert int(average.model.state_dict()["num_batches_tracked"]) == 2


def test_decay_zero_is_the_newest_weights_exactly() -> None:
    model = nn.Linear(3, 3)
    average = WeightAverage(model, 0.0)
    nn.init.normal_(model.weight)
    average.update(model)
    assert torch.equal(average.model.weight, model.weight)  # type: ignore[arg-type]


def test_the_average_has_no_gradients_and_is_in_eval_mode() -> None:
    average = WeightAverage(nn.BatchNorm1d(2).train(), 0.9).model
    assert not average.training
    assert not any(parameter.requires_grad for parameter in average.parameters())
