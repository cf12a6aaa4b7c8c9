"""Sums, differences and products, and how they are spelt."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.graph.rule_cases.case import Case, Refusal

CASES = (
    Case("spelling", "x.add(y)", lambda m, x: x.add(x * 2), ("Tensor.add",)),
    Case("spelling", "x.mul(y)", lambda m, x: x.mul(x + 2), ("Tensor.mul",)),
    Case("spelling", "@", lambda m, x: x @ x.transpose(2, 3), ("operator.matmul",)),
    Case("spelling", "torch.relu", lambda m, x: torch.relu(x * 2), ("torch.relu",)),
    Case("spelling", "torch.reshape", lambda m, x: torch.reshape(x, (-1, 48)), ("torch.reshape",)),
    Case("spelling", "view", lambda m, x: x.view(-1, 48) * 2, ("Tensor.view",)),
    Case("spelling", "torch.permute", lambda m, x: torch.permute(x, (0, 2, 3, 1)), ("torch.permute",)),
    Case("spelling", "flatten", lambda m, x: x.flatten(1), ("Tensor.flatten",)),
    Case("spelling", "Flatten", lambda m, x: m.f(x), ("nn.Flatten",), modules=lambda: {"f": nn.Flatten(2)}),
    Case("spelling", "concat", lambda m, x: torch.concat([x, x], dim=1), ("torch.concat",)),
    Case("spelling", "clip", lambda m, x: torch.clip(x, 0, 1) + x.clip(max=2), ("torch.clip", "Tensor.clip"), times=2),
    Refusal("spelling", "alpha", lambda m, x: x.add(x, alpha=2), reason="alpha"),
    Case("constant_minuend", "1 - x", lambda m, x: 1 - x, ("sub",)),
    Case("constant_minuend", "0.5 - x", lambda m, x: (0.5 - x.sigmoid()) * x, ("sub",)),
    Case("constant_minuend", "rsub", lambda m, x: torch.rsub(x, 3), ("rsub",)),
    Case("constant_minuend", "buffer", lambda m, x: m.offset - x, ("sub",)),
    Case("constant_minuend", "twice", lambda m, x: 1 - (1 - x), ("sub",), times=2),
    Refusal("constant_minuend", "trained", lambda m, x: m.weight - x, reason="weight is trained"),
    Refusal("constant_minuend", "alpha", lambda m, x: torch.rsub(x, 3, alpha=2), reason="alpha"),
    Case("negation", "-x", lambda m, x: -x + torch.neg(x), ("neg",), times=2),
    Case("subtraction", "x - 2", lambda m, x: x - 2, ("sub",)),
    Case("subtraction", "x - y", lambda m, x: x - x.sigmoid(), ("sub",)),
    Case("subtraction", "x - buffer", lambda m, x: x - m.offset, ("sub",)),
    Refusal("subtraction", "alpha", lambda m, x: torch.sub(x, x, alpha=2), reason="alpha"),
    Case("alpha", "add", lambda m, x: torch.add(x, x.sigmoid(), alpha=3)),
    Case("alpha", "add a number", lambda m, x: torch.add(x, 2, alpha=3)),
    Case("alpha", "method", lambda m, x: x.add(x.sigmoid(), alpha=0.5)),
    Case("alpha", "sub", lambda m, x: x.sub(x.sigmoid(), alpha=-2)),
    Case("alpha", "rsub", lambda m, x: torch.rsub(x, 3, alpha=2), ("rsub",)),
    Case("alpha", "rsub of a tensor", lambda m, x: torch.rsub(x, x.sigmoid(), alpha=2), ("rsub",)),
    Refusal(
        "alpha",
        "integers",
        lambda m, x: torch.add(x, x.argmax(1, keepdim=True), alpha=2),
        reason="argmax holds integers",
    ),
    Case("reciprocal", "x / 6", lambda m, x: F.relu6(x + 3) / 6, ("div",)),
    Case("reciprocal", "torch.div", lambda m, x: torch.div(x, -0.3), ("div",)),
    Refusal("reciprocal", "rounds", lambda m, x: torch.div(x, 2, rounding_mode="floor"), reason="it rounds (floor)"),
    Refusal("reciprocal", "integers", lambda m, x: x.argmax(1) / 2, reason="it divides integers"),
    Refusal("reciprocal", "tiny", lambda m, x: x / 1e-39, reason="float32 has no reciprocal of 1e-39"),
)
