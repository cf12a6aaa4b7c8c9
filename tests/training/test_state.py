from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from qat.errors import UserError
from qat.training.ema import WeightAverage
from qat.training.state import Progress, State, export, saved_config
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

    def full_disk(content: object, path: Path) -> None:
        path.write_bytes(b"half")
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
