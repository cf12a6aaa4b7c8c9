"""What is changed in place, what does nothing, and the stubs at both ends."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.graph.rule_cases.case import Case, Refusal, convolution


def in_place_sum(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    kept = y
    y += x
    return kept - y


def resized(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def relu_function(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    z = F.relu(y, inplace=True)
    return y, z + 1


def relu_statement(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    y.relu_()
    return y


def torch_relu(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    torch.relu_(y)
    return y


def chained(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    y = x * 2
    y.mul_(3).add_(x).clamp_(0, 1)
    return (y,)


def shared_layer(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    y, z = x * 2, x * 3
    a = module.relu(y)
    b = module.relu(z)
    return a, b, y + z


def through_identity(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    alias = y.contiguous()
    alias.add_(1)
    return y, alias


def slice_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2]
    y.relu_()
    return part


def whole_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2]
    part.relu_()
    return y


def slice_not_read_later(module: nn.Module, x: Tensor) -> Tensor:
    y = x * 2
    part = y[:, :2] + 0
    y.relu_()
    return part.sum() + y


def parameter_changed(module: nn.Module, x: Tensor) -> Tensor:
    module.weight.mul_(1)
    return x + module.weight


def promoted(module: nn.Module, x: Tensor) -> Tensor:
    y = (x * 2).half()
    y += x
    return y.float()


CASES = (
    Case("in_place", "+= with another name", in_place_sum, ("operator.iadd",)),
    Case("in_place", "F.relu inplace", relu_function),
    Case("in_place", "statement", relu_statement, ("Tensor.relu_",)),
    Case("in_place", "torch.relu_", torch_relu, ("torch.relu_",)),
    Case("in_place", "chain", chained, ("Tensor.mul_", "Tensor.add_", "Tensor.clamp_"), times=3),
    Case("in_place", "shared layer", shared_layer, modules=lambda: {"relu": nn.ReLU(inplace=True)}),
    Case("in_place", "another name of all of it", through_identity, ("Tensor.add_",)),
    Case("in_place", "view not read later", slice_not_read_later, ("Tensor.relu_",)),
    Refusal("in_place", "slice read later", slice_read_later, reason="getitem is another view of mul and is read"),
    Refusal("in_place", "slice changed, whole read", whole_read_later, reason="mul is another view of getitem"),
    Refusal("in_place", "parameter", parameter_changed, reason="the model's own tensor weight"),
    Refusal("in_place", "no plain form", lambda m, x: (x * 2).zero_() + x, reason="no plain form of Tensor.zero_"),
    Refusal("in_place", "types differ", promoted, reason="types differ (torch.float16 and torch.float32)"),
    Case(
        "identity",
        "dropout and identity",
        lambda m, x: m.idle(m.drop(x)) + 1,
        ("nn.Identity", "nn.Dropout"),
        times=2,
        modules=lambda: {"drop": nn.Dropout(), "idle": nn.Identity()},
    ),
    Case("identity", "F.dropout", lambda m, x: F.dropout(x, training=m.training) + 1, ("dropout",)),
    Refusal("identity", "dropout that is on", lambda m, x: F.dropout(x, p=0.0), reason="on in eval mode"),
    Case("quant_stub", "input read twice", lambda m, x: x * 2 + x),
    Case("dequant_stub", "nested outputs", lambda m, x: {"a": x * 2, "b": [x + 1, (x + 2, x.argmax(1))]}),
    Case("dequant_stub", "resized logits", lambda m, x: resized(resized(m.c(x))), modules=convolution(3, 1)),
    Case(
        "dequant_stub",
        "logits as they are, and resized",
        lambda m, x: (lambda y: (y, resized(y)))(m.c(x)),
        modules=convolution(3, 1),
    ),
    Case("dequant_stub", "one tensor twice", lambda m, x: (lambda y: (y, [y]))(x * 2)),
)
