"""Names that torch keeps private stand in two files; what those files do with them is what torch's public forms do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from qat.torch_private import AnyBatchNorm, AnyDropout, fake_quantise_learnable, norms, storage_id, submodule

ROOT = Path(__file__).resolve().parents[1]
HOMES = {"qat/torch_private.py", "qat/ao.py"}
OTHERS = {  # private by name, but neither torch's nor ours
    "_exit",  # os._exit: documented, leaves at once
    "_getframe",  # sys._getframe: how a traceback is walked
    "_replace",  # namedtuple's documented method, and a QConfig is one
}


def python_files() -> list[Path]:
    files = [path for folder in ("qat", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in files if path.relative_to(ROOT).as_posix() not in HOMES]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def own_names(tree: ast.AST) -> set[str]:
    """What a file defines: functions, classes, fields, names and attributes that it assigns."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
    return names | {node.attr for node in stored}


def private_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("torch"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private_names(source: str) -> list[str]:
    """Private names of torch in a file: imports from it, and attributes that the file itself doesn't define."""
    tree = ast.parse(source)
    imports = [name for name in private_imports(tree) if any(map(is_private, name.split(".")))]
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)}
    return imports + sorted(attributes - own_names(tree) - OTHERS)


def test_private_names_of_torch_have_one_home() -> None:
    found = {str(path.relative_to(ROOT)): private_names(path.read_text()) for path in python_files()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("from torch._subclasses import fake_tensor", ["torch._subclasses.fake_tensor"]),
        ("from torch.nn.modules.batchnorm import _BatchNorm", ["torch.nn.modules.batchnorm._BatchNorm"]),
        ("import torch.utils._pytree", ["torch.utils._pytree"]),
        ("torch._foreach_norm([])", ["_foreach_norm"]),
        ("node._erased", ["_erased"]),
        ("x.untyped_storage()._cdata", ["_cdata"]),
        ("self._set_current_node(n)", ["_set_current_node"]),
        ("def _own(): ...\nmodule._own()", []),
        ("import sys\nsys._getframe(1)", []),
    ],
)
def test_what_counts_as_private(line: str, names: list[str]) -> None:
    assert private_names(line) == names


def test_learnable_rounding_is_the_public_rounding() -> None:
    x = torch.randn(2, 3, 4)
    scale, zero = torch.tensor([0.1]), torch.tensor([3.0])
    expected = torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 255)
    assert torch.equal(fake_quantise_learnable(x, scale, zero, 0, 255), expected)


def test_norms() -> None:
    tensors = [torch.randn(3, 4), torch.randn(5)]
    torch.testing.assert_close(norms(tensors), torch.stack([tensor.norm() for tensor in tensors]))


def test_views_share_their_storage() -> None:
    x = torch.zeros(4, 4)
    assert storage_id(x[1:]) == storage_id(x)
    assert storage_id(x.clone()) != storage_id(x)


def test_families_of_layers() -> None:
    assert issubclass(nn.BatchNorm2d, AnyBatchNorm)
    assert issubclass(nn.Dropout2d, AnyDropout)


def test_a_submodule_by_its_path() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)))
    assert submodule(model, "0.0") is model.get_submodule("0.0")
    with pytest.raises(KeyError):
        submodule(model, "0.1")
