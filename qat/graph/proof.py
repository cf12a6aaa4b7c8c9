"""Whether a rewritten graph still computes what the model computes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from qat.errors import UserError
from qat.torch_private import tree_flatten

TOLERANCE = 1e-5  # of the largest output value; float32 sums in another order usually stay below a tenth of it
SEED = 0


class Judge:
    """The model's outputs on the example and on one random input, and how far another network is from them."""

    def __init__(self, model: nn.Module, inputs: Sequence[Tensor]) -> None:
        self.model = copy.deepcopy(model).eval()
        self.inputs = (tuple(inputs), random_like(inputs))
        self.expected = [run(self.model, tensors) for tensors in self.inputs]

    def difference(self, module: nn.Module) -> float:
        """The largest difference over both inputs, see `difference`.

        A network may amplify float32 rounding beyond the tolerance: then float64 decides.
        """
        pairs = zip(self.expected, self.inputs, strict=True)
        largest = max(difference(expected, run(module, tensors)) for expected, tensors in pairs)
        return largest if largest <= TOLERANCE else min(largest, self._in_double(module))

    def check_repeats(self) -> None:
        """UserError for a model that gives other outputs each time, of which nothing can be proven."""
        again = run(self.model, self.inputs[0])
        if difference(self.expected[0], again) > 0:
            raise UserError(
                f"{type(self.model).__name__} gives other outputs each time it is called; "
                "take random numbers and batch statistics out of its eval mode"
            )

    def _in_double(self, module: nn.Module) -> float:
        rewritten = copy.deepcopy(module).double()
        try:
            return max(difference(expected, run(rewritten, tensors)) for tensors, expected in self._doubles)
        except RuntimeError:  # the model's code insists on float32
            return float("inf")

    @cached_property
    def _doubles(self) -> list[tuple[tuple[Tensor, ...], Any]]:
        model = copy.deepcopy(self.model).double()
        inputs = (tuple(x.double() if x.is_floating_point() else x for x in tensors) for tensors in self.inputs)
        return [(tensors, run(model, tensors)) for tensors in inputs]


def random_like(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Normal random values of the float inputs' shapes; other inputs as they are."""
    generator = torch.Generator().manual_seed(SEED)
    return tuple(
        torch.randn(x.shape, generator=generator).to(x.device, x.dtype) if x.is_floating_point() else x for x in inputs
    )


def run(model: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
    """`model`'s outputs on copies of `inputs` (a model may change its inputs)."""
    with torch.no_grad():
        return model(*(x.clone() for x in inputs))


def difference(expected: Any, got: Any) -> float:
    """The largest absolute difference of two outputs (tensors, nested at will), relative to the largest value expected.

    A dataclass and a mapping count as the dict of their fields.
    Infinite where structure, shape, type or non-finite values differ.

    >>> difference([torch.tensor([1.0, 4.0])], [torch.tensor([1.0, 3.0])])
    0.25
    """
    (wanted, form), (have, other) = tree_flatten(plain(expected)), tree_flatten(plain(got))
    if form != other:
        return float("inf")
    return max((_leaf_difference(a, b) for a, b in zip(wanted, have, strict=True)), default=0.0)


def plain(output: Any) -> Any:
    """A model's output with dicts for dataclasses and for mappings of other classes, which graphs don't make."""
    if isinstance(output, Proxy):
        return output
    if isinstance(output, Mapping):
        return {key: plain(value) for key, value in output.items()}
    if is_dataclass(output) and not isinstance(output, type):
        return {field.name: plain(getattr(output, field.name)) for field in fields(output)}
    if type(output) in (tuple, list):
        return type(output)(map(plain, output))
    return output


def _leaf_difference(a: Any, b: Any) -> float:
    if not isinstance(a, Tensor):
        return 0.0 if a == b else float("inf")
    if not isinstance(b, Tensor) or (a.shape, a.dtype) != (b.shape, b.dtype):
        return float("inf")
    if not a.is_floating_point():
        return (a != b).double().mean().item() if a.numel() else 0.0
    finite = a.isfinite()
    if not torch.equal(finite, b.isfinite()):
        return float("inf")
    a, b = a[finite], b[finite]
    scale = a.abs().max().item() if a.numel() else 0.0
    return (a - b).abs().max().item() / (scale or 1.0) if a.numel() else 0.0
