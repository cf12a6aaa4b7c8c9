"""Functions of one value and of two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compile.operations import call, layer, plain


def positive(y: Tensor) -> Tensor:
    return y.abs() + 0.5


ACTIVATIONS = (
    call("silu", "", F.silu),
    call("silu", "before pooling, read twice", lambda y: (lambda z: F.max_pool2d(z, 3, 1, 1) + z)(F.silu(y))),
    call("silu", "chunked", lambda y: (lambda a, b: a * b)(*F.silu(y).chunk(2, 1))),
    layer("silu", "module", nn.SiLU),
    layer("mish", "", nn.Mish),
    call("softplus", "of Mish by hand", lambda y: y * torch.tanh(F.softplus(y))),
    layer("softplus", "beta", lambda: nn.Softplus(2.0)),
    layer("gelu", "", nn.GELU),
    call("gelu", "by tanh", lambda y: F.gelu(y * 2, approximate="tanh")),
    layer("celu", "", lambda: nn.CELU(0.7)),
    layer("selu", "", nn.SELU),
    layer("softsign", "", nn.Softsign),
    layer("logsigmoid", "", nn.LogSigmoid),
    layer("hardshrink", "", lambda: nn.Hardshrink(0.2)),
    layer("softshrink", "", lambda: nn.Softshrink(0.2)),
    layer("tanhshrink", "", nn.Tanhshrink),
)
ELEMENTARY = (
    call("exp", "", torch.exp),
    call("log", "", lambda y: torch.log(positive(y))),
    call("sqrt", "", lambda y: torch.sqrt(positive(y))),
    call("rsqrt", "", lambda y: torch.rsqrt(positive(y))),
    call("reciprocal", "", lambda y: torch.reciprocal(positive(y))),
    call("square", "", torch.square),
    call("abs", "", torch.abs),
    call("sign", "", torch.sign),
    call("round", "", torch.round),
    call("floor", "", torch.floor),
    call("ceil", "", torch.ceil),
    call("erf", "", torch.erf),
    call("sin", "", torch.sin),
    call("cos", "", torch.cos),
    call("pow", "square", lambda y: y**2),
    call("pow", "of a number", lambda y: 2**y),
    call("pow", "of two", lambda y: positive(y) ** y.sigmoid()),
)
OF_TWO = (
    call("div", "", lambda y: y / positive(y)),
    call("div", "of a number", lambda y: 2 / positive(y)),
    plain("rsub", "alpha", lambda y: torch.rsub(y, y.sigmoid(), alpha=2)),
    plain("neg", "", lambda y: -y * y),
    call("maximum", "", lambda y: torch.maximum(y, y.sigmoid())),
    call("maximum", "torch.max", lambda y: torch.max(y, y.flip(1)), row="max"),
    call("minimum", "of one grid", lambda y: torch.minimum(y, y.flip(1))),
    call("add", "of equal ranges", lambda y: F.max_pool2d(y, 3, 1, 1) + y),
)
FUNCTIONS = (*ACTIVATIONS, *ELEMENTARY, *OF_TWO)
