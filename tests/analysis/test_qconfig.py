"""Each check finds what it is for, with module path and source line, and nothing in a sound network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import qat
from qat.analysis.networks import Subject
from qat.analysis.qconfig import QconfigItem, as_text, check_qconfig, qconfig
from tests.analysis.networks import subject
from tests.networks import BLOCK, Block, shuffle_norms

SHAPE = (1, 3, 16, 24)


class Plain(nn.Module):
    """Two convolutions; `middle` is called between them."""

    def __init__(self, **modules: nn.Module) -> None:
        super().__init__()
        self.first, self.tail = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.middle(F.relu(self.first(x))))

    def middle(self, x: Tensor) -> Tensor:
        return x


def items(model: nn.Module, shape: tuple[int, ...] = SHAPE, spec: qat.QuantSpec | None = None) -> list[QconfigItem]:
    torch.manual_seed(0)
    model.eval()
    return check_qconfig(subject(model, shape, spec), model)


def found(model: nn.Module, check: str, spec: qat.QuantSpec | None = None) -> list[QconfigItem]:
    return [item for item in items(model, spec=spec) if item.check == check]


def test_a_sound_network_has_no_items() -> None:
    assert items(Plain()) == []


def test_shared_modules_and_standalone_norms() -> None:
    torch.manual_seed(0)
    listed = items(shuffle_norms(Block()), BLOCK)
    assert {(item.check, item.module) for item in listed} == {("shared module", "conv"), ("unfused BN", "norm")}
    assert all("tests/networks.py:" in item.source for item in listed)


def test_a_module_that_is_never_called() -> None:
    (item,) = found(Plain(extra=nn.Conv2d(3, 3, 1)), "unused module")
    assert (item.module, item.text) == ("extra", "nn.Conv2d is never called")


def test_high_precision_in_the_middle() -> None:
    listed = items(Plain(), spec=qat.QuantSpec(high_precision=("first",)))
    (item,) = [item for item in listed if item.check == "high precision"]
    assert item.module == "first"
    assert "not at the tail" in item.text


class Rounded(Plain):
    """The network's output is an addition's."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        return self.tail(x) + self.tail(x)


def test_an_output_that_is_rounded() -> None:
    assert any("end it with a convolution" in item.text for item in found(Rounded(), "high precision"))


class Exponential(Plain):
    """torch has no int8 kernels for exp and sin; what they give is rounded."""

    def middle(self, x: Tensor) -> Tensor:
        return x + torch.exp(torch.sin(x))


def test_what_has_no_int8_kernel() -> None:
    listed = items(Exponential())
    assert {(item.check, item.layer) for item in listed} == {
        ("float fallback", "sin"),
        ("float fallback", "exp"),
    }
    assert all("test_qconfig.py:" in item.source for item in listed)


class Dead(Plain):
    """What is always zero."""

    def middle(self, x: Tensor) -> Tensor:
        return x * 2 + F.relu(self.zero(x))


def test_an_observer_that_saw_only_zeros() -> None:
    zero = nn.Conv2d(4, 4, 1)
    nn.init.zeros_(zero.weight)
    nn.init.zeros_(zero.bias)
    (item,) = found(Dead(zero=zero), "dead observer")
    assert (item.module, item.text) == ("zero", "zero range: its scale means nothing")


def test_the_text_lists_items_and_layers() -> None:
    torch.manual_seed(0)
    model = shuffle_norms(Block()).eval()
    seen: Subject = subject(model, BLOCK)
    content = qconfig(seen, check_qconfig(seen, model))
    text = as_text(content)
    assert text.startswith("Items to look at: 2\n")
    assert [layer["name"] for layer in content["layers"]] == [step.name for step in seen.program.steps]
    assert f"stem_0: conv2d, qint8, 6 scales -> quint8, scale {content['layers'][1]['scale']:.6g}" in text
    assert "tail: conv2d, qint8, 3 scales -> float32; tail" in text
