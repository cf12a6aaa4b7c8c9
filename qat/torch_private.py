"""The only file, beside `ao`, that uses names which torch keeps private: one place to change when they move."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.fx import Interpreter, Node
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.nn.modules.dropout import _DropoutNd as AnyDropout
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only

__all__ = [
    "AnyBatchNorm",
    "AnyDropout",
    "FakeTensor",
    "FakeTensorMode",
    "at_node",
    "fake_quantise_learnable",
    "norms",
    "pickled_names",
    "quiet_fake_tensors",
    "storage_id",
    "submodule",
    "tree_flatten",
    "tree_leaves",
    "tree_map_only",
    "unset_fake_temporarily",
]


def pickled_names() -> dict[tuple[str, str], Any]:
    """The functions that a pickled tensor or parameter calls to be made again, by module and name."""
    names = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    return {("torch._utils", name): getattr(torch._utils, name) for name in names}


def fake_quantise_learnable(x: Tensor, scale: Tensor, zero_point: Tensor, low: int, high: int) -> Tensor:
    """`x` on the grid, with gradients for `scale` and `zero_point` (both (1,)); torch's public form has none."""
    return torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero_point, low, high, 1.0)


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of each tensor (len(tensors),), in one call of the device."""
    return torch.stack(torch._foreach_norm(list(tensors)))


def storage_id(tensor: Tensor) -> int:
    """A number that two tensors share if they share memory.

    Not `data_ptr()`: that of a fake tensor, which has no memory, is an error, and that of a slice differs.
    """
    return int(tensor.untyped_storage()._cdata)


def submodule(owner: nn.Module, path: str) -> nn.Module:
    """What `owner.get_submodule(path)` gives, several times faster: rules ask for it at every node."""
    module: nn.Module | None = owner
    for name in path.split("."):
        assert module is not None
        module = module._modules[name]
    assert module is not None
    return module


def at_node(interpreter: Interpreter, node: Node) -> AbstractContextManager[Any]:
    """A context in which `interpreter` can fetch the arguments of `node` outside of its own run."""
    return interpreter._set_current_node(node)


@contextmanager
def quiet_fake_tensors() -> Iterator[None]:
    """Without the traceback that torch logs where a fake kernel fails: who runs it says what is wrong."""
    logger = logging.getLogger(FakeTensorMode.__module__)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
