"""A network's row says what the network does, and nobody else knows networks by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from qat.errors import UserError
from qat.models import NAMES, NETWORKS, NetworkSpec, build_model, resolve
from qat.training.losses import RECIPES

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {  # file: what in it may name a network, and why
    "qat/config/checks.py": "an example in an error's text",
    "qat/config/defaults.py": "the default of MODEL.NAME",
    "qat/config/loading.py": "an example in an error's text",
    "qat/cli/main.py": "the ready config of the demo",
    "qat/config/published.py": "where official files come from, and a descriptor's name",
    "qat/graph/traps/operators.py": "whose outputs a trap is known from, in its text",
    "qat/graph/traps/sizes.py": "whose first layer a trap is known from, in its text",
    "qat/evaluation/baseline.py": "an example in an error's text",
    "qat/targets/j5.py": "the walkthrough that a row cites",
    "qat/targets/j5_limits.py": "the walkthrough that a limit cites",
    "qat/training/losses.py": "the loss's recipe, which rows name",
}
CLASSES = 3


def facts(network: NetworkSpec) -> tuple[object, ...]:
    return network.task, network.outputs, network.auxiliary, network.stride, network.multiple


KINDS = list({facts(network): network for network in reversed(NETWORKS)}.values())[
    ::-1
]  # one of all with the same facts
SEGMENTATION = [network for network in KINDS if network.task == "segmentation"]


def of_name(network: NetworkSpec) -> str:
    return network.name


@pytest.fixture(params=KINDS, ids=of_name)
def network(request: pytest.FixtureRequest) -> NetworkSpec:
    return request.param


@cache
def built(name: str, train: bool) -> nn.Module:
    """Its train or predict form, shapes only."""
    with torch.device("meta"):
        return resolve(name).build(CLASSES, train).eval()


def outputs(network: NetworkSpec, train: bool, height: int, width: int) -> list[torch.Tensor]:
    """What its train or predict form gives for one picture; shapes only."""
    with torch.device("meta"), torch.no_grad():
        found = built(network.name, train)(torch.zeros(1, 3, height, width))
    return list(found) if isinstance(found, list | tuple) else [found]


@pytest.mark.parametrize("network", SEGMENTATION, ids=of_name)
def test_logits_are_smaller_by_the_stride(network: NetworkSpec) -> None:
    side = network.smallest_side
    (logits,) = outputs(network, False, side, side + network.side_multiple)
    assert logits.shape == (1, CLASSES, side // network.stride, (side + network.side_multiple) // network.stride)


def test_the_deepest_map_of_the_smallest_picture_has_one_value(network: NetworkSpec) -> None:
    shapes: list[tuple[int, ...]] = []
    with torch.device("meta"), torch.no_grad():
        model = built(network.name, False)
        hooks = [
            module.register_forward_hook(lambda module, given, output: shapes.append(tuple(output.shape[2:])))
            for module in model.modules()
            if isinstance(module, nn.Conv2d)
        ]
        model(torch.zeros(1, 3, 2 * network.smallest_side, network.smallest_side))
    for hook in hooks:
        hook.remove()
    without_pooled = [shape for shape in shapes if shape != (1, 1)]
    assert min(without_pooled) == (2, 1)
    assert network.smallest_side % network.stride == 0


def test_the_train_form_gives_the_rows_outputs(network: NetworkSpec) -> None:
    side = network.smallest_side
    found = outputs(network, True, side, side)
    assert len(found) == len(network.outputs)
    assert network.outputs[network.main_index] == network.main
    assert found[network.main_index].shape == outputs(network, False, side, side)[0].shape


def test_auxiliary_parameters_are_the_train_forms_alone(network: NetworkSpec) -> None:
    train, predict = (set(built(network.name, aux).state_dict()) for aux in (True, False))
    assert train - predict == {name for name in train if name.startswith(network.auxiliary)}
    assert predict <= train


@pytest.mark.parametrize("network", SEGMENTATION, ids=of_name)
def test_its_loss_is_a_recipe(network: NetworkSpec) -> None:
    assert network.loss in RECIPES


def test_one_branch_at_most_finds_boundaries(network: NetworkSpec) -> None:
    assert sum(branch.boundary for branch in network.branches) <= 1


@pytest.mark.parametrize("network", NETWORKS, ids=of_name)
def test_names_and_aliases_are_unique_and_resolve(network: NetworkSpec) -> None:
    every = [name for one in NETWORKS for name in (one.name, *one.aliases)]
    assert len(every) == len(set(every))
    assert all(resolve(name) is network for name in (network.name, *network.aliases))


def test_an_unknown_name_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown network MODEL\.NAME pidnet_x; did you mean pidnet_"):
        resolve("pidnet_x")


def test_build_model_builds_the_rows_network(network: NetworkSpec) -> None:
    with torch.device("meta"):
        model, own = build_model(network.name, CLASSES), built(network.name, False)
    assert type(model) is type(own)
    assert model.state_dict().keys() == own.state_dict().keys()


def family(name: str) -> str:
    """Of its letters, without what it is a kind of."""
    return re.sub(r"^(wider_)?(naive_)?([a-z]+).*", r"\3", name)


def texts(tree: ast.AST) -> Iterator[str]:
    """Strings, names and attributes of a file's code; docstrings and comments may say what they like."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    said = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in said:
            yield node.value
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            yield getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", "")


FAMILIES = re.compile("|".join(sorted({family(name) for name in NAMES})), re.IGNORECASE)


def naming(path: Path) -> list[str]:
    """What in a file names one of the networks' families."""
    return [text for text in texts(ast.parse(path.read_text())) if FAMILIES.search(text)]


def files() -> list[Path]:
    return [path for folder in ("qat", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_other_code_names_a_network() -> None:
    named = {path.relative_to(ROOT).as_posix() for path in files() if naming(path)}
    assert {path for path in named if not path.startswith("qat/models/")} <= set(ALLOWED)


def test_the_exceptions_are_needed() -> None:
    assert [path for path in ALLOWED if not (ROOT / path).is_file() or not naming(ROOT / path)] == []


def test_a_name_in_code_is_found_and_one_in_a_docstring_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text('"""For pidnet_s."""\nif name == "pidnet_s":  # pidnet\n    x = 1\n')
    assert naming(path) == ["pidnet_s"]
    path.write_text('"""For pidnet_s."""\nx = 1  # pidnet\n')
    assert naming(path) == []
