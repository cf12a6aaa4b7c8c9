"""Files of tensors by name are read back as they were written."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from qat.errors import UserError
from qat.models import build_model, load_checkpoint
from qat.models.tensor_files import WRITTEN, read_file, write_tensors
from tests.models.seeded import seed_network

STATE = {
    "layer.weight": torch.randn(3, 2),
    "layer.half": torch.randn(3).half(),
    "count": torch.tensor(7),
    "rows": torch.randn(4, 2).T,
}


def assert_same(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == STATE.keys()
    assert all(torch.equal(value, STATE[key]) and value.dtype == STATE[key].dtype for key, value in found.items())


@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    write_tensors(tmp_path / f"net{suffix}", STATE)
    assert_same(read_file(tmp_path / f"net{suffix}"))


def test_an_npz_loads_where_torch_is_not(tmp_path: Path) -> None:
    write_tensors(tmp_path / "net.npz", STATE)
    code = (
        "import sys; sys.modules['torch'] = None; import numpy; file = numpy.load('net.npz', allow_pickle=False); "
        "print({name: file[name].shape for name in sorted(file.files)})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'count': (), 'layer.half': (3,), 'layer.weight': (3, 2), 'rows': (2, 4)}"


def test_numpy_has_no_bfloat16(tmp_path: Path) -> None:
    value = torch.randn(5).bfloat16()
    write_tensors(tmp_path / "net.npz", {"a": value})
    assert torch.equal(read_file(tmp_path / "net.npz")["a"], value.float())


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"net\.onnx ends with \.onnx; expected \.safetensors or \.npz"):
        write_tensors(tmp_path / "net.onnx", STATE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["_param.pth", "_numpy_param.pkl"])
def test_weights_without_the_networks_own_prefix(tmp_path: Path, form: str) -> None:
    source, model = seed_network(build_model("yolov5n", 3)), build_model("yolov5n", 3)
    state = {key.removeprefix("model."): value for key, value in source.state_dict().items()}
    path = tmp_path / f"yolov5n{form}"
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps({key: value.numpy() for key, value in state.items()}))
    else:
        torch.save(state, path)
    load_checkpoint(model, path)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "auxiliary"), [("bisenetv1", "conv_out16."), ("bisenetv2", "aux5_4."), ("ddrnet23_slim", "seghead_extra.")]
)
def test_a_train_form_goes_into_the_predict_form(tmp_path: Path, name: str, auxiliary: str) -> None:
    source, model = build_model(name, 3, aux_mode="train"), build_model(name, 3)
    torch.save(source.state_dict(), tmp_path / "net.pth")
    loaded, left_out = load_checkpoint(model, tmp_path / "net.pth")
    assert loaded == f"loaded {len(model.state_dict())} tensors from {tmp_path / 'net.pth'}"
    assert left_out.startswith("not used by this form of the network: ")
    assert auxiliary in left_out
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())


def test_the_eval_form_is_named_where_the_train_form_is_wanted(tmp_path: Path) -> None:
    torch.save(build_model("bisenetv2", 3).state_dict(), tmp_path / "net.pth")
    with pytest.raises(UserError, match=r"missing aux2\..*; it is the eval form, and this is the train form"):
        load_checkpoint(build_model("bisenetv2", 3, "train"), tmp_path / "net.pth")


def test_a_damaged_npz_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(UserError, match=r"net\.npz is not a readable checkpoint"):
        read_file(tmp_path / "net.npz")
    np.savez(tmp_path / "objects.npz", a=np.array([object()], dtype=object))
    with pytest.raises(UserError, match=r"objects\.npz is not a readable checkpoint"):
        read_file(tmp_path / "objects.npz")["a"]
