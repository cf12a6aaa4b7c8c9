"""Checkpoints in every form that people have; what doesn't fit is one error and changes nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from qat.errors import UserError
from qat.models import build_model, load_checkpoint
from qat.models.checkpoint import load_pretrained
from tests.networks import TinyNet, tiny_net

SHARED = Path(__file__).resolve().parents[3] / "shared" / "pretrained" / "pidnet_s_camvid.pt"
State = dict[str, Tensor]


class Small(nn.Module):
    """A network with an auxiliary head, as the train form has."""

    def __init__(self, aux: bool = False, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        if aux:
            self.seghead_p = nn.Conv2d(4, 2, 1)


def prefixed(state: State, prefix: str) -> State:
    return {prefix + key: value for key, value in state.items()}


LOSS: State = {"sem_loss.criterion.weight": torch.ones(19), "bd_loss.weight": torch.ones(1)}
FORMS: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "best_mIoU": 0.5},
    "module.": lambda state: prefixed(state, "module."),
    "model.": lambda state: prefixed(state, "model."),
    "model. beside the loss": lambda state: prefixed(state, "model.") | LOSS,
    "module.model.": lambda state: prefixed(state, "module.model."),
    "module.model. beside the loss": lambda state: prefixed(state, "module.model.") | prefixed(LOSS, "module."),
    "state_dict of module.model.": lambda state: {"state_dict": prefixed(state, "module.model.")},
    "bare beside the loss": lambda state: state | LOSS,
}


def saved(folder: Path, content: object, name: str = "net.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def assert_equal(got: State, expected: State) -> None:
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[key], expected[key]) for key in expected)


def refused(path: Path) -> str:
    """The error of loading `path`; the model stays as it was."""
    model = Small(seed=7)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_checkpoint(model, path)
    assert_equal(model.state_dict(), before)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_loads_the_same_weights(tmp_path: Path, form: str) -> None:
    source, model = Small(seed=1), Small(seed=2)
    log = load_checkpoint(model, saved(tmp_path, FORMS[form](source.state_dict()), "net.pth.tar"))
    assert_equal(model.state_dict(), source.state_dict())
    assert log[0] == f"loaded 7 tensors from {tmp_path / 'net.pth.tar'}"
    assert len(log) == 1 + ("loss" in form)
    assert "loss" not in form or ("sem_loss.criterion.weight" in log[1] and "bd_loss.weight" in log[1])


@pytest.mark.parametrize("prefix", ["", "model."])
def test_safetensors(tmp_path: Path, prefix: str) -> None:
    source, model = Small(seed=1), Small(seed=2)
    save_file(prefixed(source.state_dict(), prefix), tmp_path / "net.safetensors")
    load_checkpoint(model, tmp_path / "net.safetensors")
    assert_equal(model.state_dict(), source.state_dict())


def test_half_precision_is_widened(tmp_path: Path) -> None:
    state = {
        key: value.half() if value.is_floating_point() else value for key, value in Small(seed=1).state_dict().items()
    }
    model = Small(seed=2)
    load_checkpoint(model, saved(tmp_path, state))
    assert model.conv1.weight.dtype == torch.float32
    assert torch.equal(model.conv1.weight, state["conv1.weight"].float())


def test_auxiliary_heads_that_the_model_hasn_t_are_left_out_and_named(tmp_path: Path) -> None:
    log = load_checkpoint(Small(), saved(tmp_path, Small(aux=True).state_dict()))
    assert log[1] == "not used by this form of the network: seghead_p.weight, seghead_p.bias"


def test_auxiliary_heads_that_the_model_has_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing seghead_p\.bias, missing seghead_p\.weight"):
        load_checkpoint(Small(aux=True), saved(tmp_path, Small().state_dict()))


def test_everything_that_doesn_t_fit_is_in_one_error(tmp_path: Path) -> None:
    state = Small(seed=1).state_dict()
    del state["bn1.bias"]
    wrong = {**state, "conv1.weight": torch.zeros(5, 3, 3, 3), "extra.weight": torch.zeros(1)}
    message = refused(saved(tmp_path, wrong))
    assert "doesn't fit Small" in message
    assert "conv1.weight is (5, 3, 3, 3), expected (4, 3, 3, 3), missing bn1.bias, unexpected extra.weight" in message
    assert "check MODEL.NAME and DATASET.NUM_CLASSES" in message


@pytest.mark.parametrize(
    ("classes", "release", "said"),
    [
        (5, "yolov5n", r"doesn't fit YOLOv5: model\.24\.m\.0\.bias is \(30,\), expected \(24,\).*check MODEL\.NAME"),
        (
            3,
            "yolov5s_v5",
            r"its tensors have the names and sizes of MODEL\.NAME yolov5s_v5: set that",
        ),
    ],
)
def test_what_is_nearest_is_said_of_a_network_whose_keys_begin_like_a_wrapper_s(
    classes: int, release: str, said: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, build_model(release, classes).state_dict())
    with pytest.raises(UserError, match=said):
        load_checkpoint(build_model("yolov5n", 3), path)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    message = refused(saved(tmp_path, {f"other.{i:02}": torch.zeros(1) for i in range(20)}))
    assert message.count("missing") == 7
    assert "unexpected other.00 and 19 more" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([torch.zeros(1)], "holds a list; expected a state dict"),
        (torch.zeros(1), "holds a Tensor; expected a state dict"),
        ({}, "holds no tensors (keys: none)"),
        ({"epoch": 3, "lr": 0.1}, "holds no tensors (keys: epoch, lr)"),
        ({"state_dict": 3}, "holds a int as state_dict"),
        ({1: torch.zeros(1)}, "unexpected 1"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_file_without_a_state_dict(tmp_path: Path, content: object, expected: str) -> None:
    assert expected in refused(saved(tmp_path, content))


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise"])
def test_a_damaged_file(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    state = Small().state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "noise": b"\x93" * 500}[damage])
    assert str(path) in refused(path)


class Code:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_code_in_a_checkpoint_is_refused_and_doesn_t_run(tmp_path: Path) -> None:
    path = saved(tmp_path, Small().state_dict() | {"trap": Code(tmp_path / "ran")})
    assert f"names {os.mkdir.__module__}.mkdir" in refused(path)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        assert refused(path).startswith(f"no checkpoint at {path}; set TEST.MODEL_FILE")


def test_another_number_of_classes_is_named(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = build_model("pidnet_s", 19)
    path = saved(tmp_path, {"final_layer.conv2.weight": torch.zeros(11, 128, 1, 1)})
    with pytest.raises(UserError, match=r"final_layer\.conv2\.weight is \(11, 128, 1, 1\), expected \(19, 128, 1, 1\)"):
        load_checkpoint(model, path)


@pytest.mark.parametrize("aux", [True, False], ids=["train form", "predict form"])
def test_a_really_trained_checkpoint_loads(aux: bool) -> None:
    if not SHARED.is_file():
        pytest.skip(f"needs the trained checkpoint: no {SHARED}")
    model = build_model("pidnet_s", 11, aux_mode="train" if aux else "eval")
    log = load_checkpoint(model, SHARED)
    assert log[0].startswith(f"loaded {479 if aux else 453} tensors")
    assert ("seghead_d.conv2.bias" in log[-1]) != aux
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    expected = torch.load(SHARED, weights_only=True)["model.conv1.0.weight"]
    assert torch.equal(model.conv1[0].weight, expected)


def test_what_fits_is_loaded_and_the_rest_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given, model = tiny_net(1), tiny_net(2)
    head = model.final_layer.weight.detach().clone()
    state = {key: value for key, value in given.state_dict().items() if not key.startswith("seghead_d")}
    state |= {"final_layer.weight": torch.zeros(9, 8, 1, 1), "fc.weight": torch.zeros(5)}
    torch.save({"state_dict": state}, tmp_path / "imagenet.pth.tar")
    with caplog.at_level(logging.INFO):
        load_pretrained(model, str(tmp_path / "imagenet.pth.tar"))
    assert torch.equal(model.body[0].weight, given.body[0].weight)  # type: ignore[arg-type]
    assert torch.equal(model.final_layer.weight, head)
    assert "keep their random weights: final_layer.weight, seghead_d.bias, seghead_d.weight" in caplog.text
    assert "not used, the network has none such: fc.weight, final_layer.weight" in caplog.text


@pytest.mark.parametrize(
    ("state", "message"), [(None, "no checkpoint at .*PRETRAINED"), ({"fc": torch.zeros(1)}, "nothing in")]
)
def test_useless_weights_are_an_error(tmp_path: Path, state: dict[str, torch.Tensor] | None, message: str) -> None:
    if state is not None:
        torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=message):
        load_pretrained(tiny_net(), str(tmp_path / "w.pt"))


class Wrapped(nn.Module):
    """A network whose own part is called as wrappers call theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Small()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_network_s_own_part_called_model_is_no_wrapper(prefix: str, tmp_path: Path) -> None:
    state = Wrapped().state_dict()
    network = Wrapped()
    nn.init.zeros_(network.model.conv1.weight)
    load_checkpoint(network, saved(tmp_path, prefixed(state, prefix)))
    assert_equal(network.state_dict(), state)


def wrapped(state: dict[str, Tensor], form: str) -> Any:
    forms: dict[str, Callable[[], Any]] = {
        "torch.compile": lambda: {f"_orig_mod.{key}": value for key, value in state.items()},
        "DataParallel of torch.compile": lambda: {f"module._orig_mod.{key}": value for key, value in state.items()},
        "DataParallel twice": lambda: {f"module.module.{key}": value for key, value in state.items()},
        "AveragedModel": lambda: AveragedModel(small_net()).state_dict(),
        "without counters": lambda: {key: value for key, value in state.items() if "num_batches" not in key},
        "thop": lambda: state | {"total_ops": torch.zeros(1), "body.0.total_params": torch.zeros(1)},
        "model": lambda: {"model": state, "epoch": torch.tensor(1)},
        "model_state_dict": lambda: {"model_state_dict": state},
        "state_dict_ema": lambda: {"state_dict_ema": state, "optimizer": {"lr": 1.0}},
        "one in another": lambda: {
            "state_dict": {"model": {f"model.net.{key}": value for key, value in state.items()}}
        },
    }
    return forms[form]()


def small_net() -> nn.Module:
    torch.manual_seed(3)
    return TinyNet(aux=False)


@pytest.mark.parametrize(
    "form",
    [
        *("torch.compile", "DataParallel of torch.compile", "DataParallel twice", "AveragedModel", "without counters"),
        *("thop", "model", "model_state_dict", "state_dict_ema", "one in another"),
    ],
)
def test_wrappers_of_training_scripts_are_known(form: str, tmp_path: Path) -> None:
    state = small_net().state_dict()
    torch.save(wrapped(state, form), tmp_path / "c.pt")
    network = TinyNet(aux=False)
    load_checkpoint(network, tmp_path / "c.pt")
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items() if "num_batches" not in key)


def test_an_unknown_prefix_is_named(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    torch.save({f"encoder.deep.{key}": value for key, value in layer.state_dict().items()}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"all of its keys begin with encoder\., which the network's don't"):
        load_checkpoint(nn.Linear(2, 3), tmp_path / "a.pt")
