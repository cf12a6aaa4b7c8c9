"""Each trap is found in a model and in a file that fall into it, and not in the mended ones."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import ModelProto
from rich.table import Table

from qat.graph.rules.adaptive_pool import window
from qat.graph.tables import trap_table
from qat.graph.traps import TRAPS, TrapFinding, file_traps, network_traps
from tests.graph.traps.files import FILES, RELU, file, node
from tests.graph.traps.models import MODELS, SHAPE, CallsCopy, CallsStrange, seeded

PICTURE = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
NAMES = [trap.name for trap in TRAPS if trap.name != "opset"]


def found_in_model(name: str, mended: bool) -> list[str]:
    return [one.trap for one in network_traps(seeded(MODELS[name][mended]), PICTURE)]


def found_in(model: ModelProto) -> list[str]:
    return [one.trap for one in file_traps(model)]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_falls_into_it_until_it_is_mended(name: str) -> None:
    assert name in found_in_model(name, mended=False)
    assert name not in found_in_model(name, mended=True)


@pytest.mark.parametrize("name", [name for name in NAMES if MODELS[name][2]])
def test_the_fix_computes_the_same(name: str) -> None:
    trapped, mended, _ = MODELS[name]
    torch.testing.assert_close(seeded(trapped)(PICTURE), seeded(mended)(PICTURE), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_falls_into_it_until_it_is_mended(name: str) -> None:
    trapped, mended = FILES[name]
    assert name in found_in(trapped)
    assert name not in found_in(mended)


def test_a_plain_file_and_a_plain_model_have_none() -> None:
    assert found_in(RELU) == []
    assert network_traps(torch.nn.ReLU(), PICTURE) == []


def test_copies_that_name_the_outputs_of_our_own_files_are_no_trap() -> None:
    copy = file(node("Relu", "x", "a"), node("Identity", "a"))
    copy.producer_name = "rtseg-qat"
    assert found_in(copy) == []


def test_an_operator_set_above_the_consumers() -> None:
    assert [one.trap for one in file_traps(RELU, newest=11)] == ["opset"]
    assert [one.trap for one in network_traps(torch.nn.ReLU(), PICTURE, opset=12, newest=11)] == ["opset"]
    assert file_traps(RELU, newest=17) == network_traps(torch.nn.ReLU(), PICTURE, opset=11, newest=11) == []


def test_an_operator_that_is_newer_than_the_files_set() -> None:
    assert found_in(file(node("HardSwish", "x"), opset=13)) == ["custom_operator"]
    assert found_in(file(node("HardSwish", "x"), opset=14)) == []
    assert found_in(file(node("Relu", "x"), opset=99)) == ["opset"]


def test_a_circle_of_copies_ends() -> None:
    assert found_in(file(node("Identity", "b", "y"), node("Identity", "y", "b"))) == []


def test_an_activation_is_whole_from_its_operator_set_on() -> None:
    for model, opset in ((torch.nn.Hardswish(), 14), (torch.nn.Mish(), 18)):
        assert [one.trap for one in network_traps(model, PICTURE, opset - 1)] == ["activation"]
        assert network_traps(model, PICTURE, opset) == []


@pytest.mark.parametrize("gates", [("HardSigmoid",), ("Softplus", "Tanh")])
def test_activations_in_pieces_are_named(gates: tuple[str, ...]) -> None:
    names = ["x", *(f"a{at}" for at in range(len(gates)))]
    steps = [node(op, *pair) for op, *pair in zip(gates, names, names[1:], strict=False)]
    assert found_in(file(*steps, node("Mul", f"{names[-1]} x"))) == ["activation"]
    assert found_in(file(*steps, node("Mul", f"{names[-1]} {names[-1]}"))) == []


@pytest.mark.parametrize(("last", "trap"), [(CallsCopy, "dropped_function"), (CallsStrange, "custom_operator")])
def test_torchs_own_exporter_writes_the_symbolic(last: type[torch.nn.Module], trap: str, tmp_path: Path) -> None:
    """In BiSeNet's way: torch gives classes, and the file logits, or an operator that nobody has."""
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 3, 1), last()).eval()
    torch.onnx.export(model, (PICTURE,), str(tmp_path / "model.onnx"), dynamo=False)
    assert model(PICTURE).dtype == torch.int64
    assert trap in found_in(onnx.load(tmp_path / "model.onnx"))
    assert trap in [one.trap for one in network_traps(model, PICTURE)]


def test_classes_inside_are_said() -> None:
    classes = file(node("Relu", "x", "a"), node("ArgMax", "a", "b", axis=1), node("Cast", "b", to=6), kind=6)
    assert found_in(classes) == ["processing_inside"]


def test_an_operator_of_somebodys_own_is_an_error() -> None:
    (finding,) = file_traps(file(node("Relu", "x", domain="mine")))
    assert (finding.trap, finding.severity) == ("custom_operator", "error")
    assert finding.found == "mine::Relu isn't one of ONNX's operators"


def test_one_stride_and_kernel_are_exact_if_and_only_if_the_rest_is_0_or_1() -> None:
    """Which is less than the sizes with equal windows of any stride: those are asked one by one."""
    for size in range(1, 65):
        for out in range(1, size + 1):
            stride = size // out
            rule = (size - (out - 1) * stride, stride)
            equal = window(size, out)
            assert (equal is not None and (out == 1 or equal == rule)) == (out == 1 or size % out in (0, 1))


@pytest.mark.parametrize(("size", "out", "least"), [(25, 7, 0.5), (30, 4, 0.1)])
def test_the_rule_is_off_elsewhere(size: int, out: int, least: float) -> None:
    noise = torch.randn(64, 1, size, size, generator=torch.Generator().manual_seed(0))
    stride = size // out
    by_rule = F.avg_pool2d(noise, size - (out - 1) * stride, stride)
    assert float((by_rule - F.adaptive_avg_pool2d(noise, out)).abs().max()) > least
    model = torch.nn.AvgPool2d(size - (out - 1) * stride, stride)
    assert {one.trap for one in network_traps(model, noise)} == {"adaptive_pooling"}


def test_the_page_has_every_trap() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "traps.md").read_text(encoding="utf-8")
    assert [trap.name for trap in TRAPS if f"| `{trap.name}` |" not in page] == []


def test_equal_traps_are_one_row_that_names_a_few_places() -> None:
    same = [TrapFinding("activation", f"Mul, node {at}", "SiLU in pieces", "h", "f", "warning") for at in range(9)]
    table = trap_table([*same, *same[:1], TrapFinding("rank", "net.py:3", "3 axes", "h", "f", "warning")])
    assert isinstance(table, Table)
    counts, places = (list(table.columns[index].cells) for index in (1, 2))
    assert counts == ["10", "1"]
    assert places == ["Mul, node 0\nMul, node 1\nMul, node 2\nand 6 more", "net.py:3"]
