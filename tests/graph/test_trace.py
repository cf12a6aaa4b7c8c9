from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from qat.errors import UserError
from qat.graph import check, rewrite, source_of, trace
from qat.graph.nodes import op_name, shape_of
from qat.graph.proof import difference, run


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )
        self.register_buffer("scale", torch.full((1,), 2.0))

    def forward(self, x: Tensor, flag: bool = False, power: int = 2) -> Tensor:
        y = self.body(x)
        if flag:
            y = y + 100
        return 1 - y**power * self.scale


def line_of(function: Callable[..., Any], text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def test_nodes_know_the_models_line() -> None:
    nodes = {node.name: node for node in trace(Blocks(), torch.zeros(1, 3, 8, 8)).graph.nodes}
    where = "tests/graph/test_trace.py"
    assert source_of(nodes["sub"]) == f"{where}:{line_of(Blocks, 'return 1 - y')}"
    assert source_of(nodes["body_0"]) == f"{where}:{line_of(Blocks, 'self.body(x)')}"
    assert source_of(nodes["x"]) == f"{where}:{line_of(Blocks, 'def forward')}"
    assert all(source_of(node) for node in nodes.values())


def test_lines_survive_rewriting() -> None:
    nodes = rewrite(Blocks(), torch.zeros(1, 3, 8, 8), "x86").module.graph.nodes
    assert {source_of(node).rpartition(":")[0] for node in nodes} == {"tests/graph/test_trace.py"}


def test_nodes_know_their_shapes() -> None:
    graph = trace(Blocks(), torch.zeros(2, 3, 8, 6)).graph
    assert {op_name(node): shape_of(node) for node in graph.nodes}["conv2d"] == (2, 4, 8, 6)


def test_the_model_stays_as_it_is() -> None:
    model = Blocks().train()
    before, keys = copy.deepcopy(model.state_dict()), set(vars(model))
    code = inspect.getsource(Blocks)
    result = rewrite(model, torch.randn(2, 3, 8, 8), "x86")
    assert model.training
    assert all(module.training for module in model.modules())
    assert model.body[2].inplace
    assert set(vars(model)) == keys
    assert [name for name, _ in model.named_modules()] == [name for name, _ in Blocks().named_modules()]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert inspect.getsource(Blocks) == code
    result.module.body.get_submodule("0").weight.data.zero_()
    assert model.body[0].weight.abs().sum() > 0


def test_example_stays_as_it_is() -> None:
    class Changes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2)

    x = torch.ones(1, 3, 4, 4)
    rewrite(Changes(), x, "x86")
    assert torch.equal(x, torch.ones(1, 3, 4, 4))


def test_in_place_operators_keep_their_meaning() -> None:
    """torch.fx turns `x += 1` into `x = x + 1`: another name of x then misses the change."""

    class Renamed(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            y = x * 2
            kept = [y, y]
            y += 1
            y -= 3
            y *= 2
            y /= 4
            return [*kept, y]

    x = torch.randn(1, 2, 3, 4)
    assert difference(run(Renamed(), [x]), run(trace(Renamed(), x), [x])) == 0
    result = rewrite(Renamed(), x, "x86")
    assert not any(str(node.target).startswith("operator.i") for node in result.module.graph.nodes)


class Untraceable(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def branches(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x
    return -x


def iterates(x: Tensor) -> Tensor:
    return torch.stack([image + 1 for image in x])


def measures(x: Tensor) -> Tensor:
    return x * len(x)


def assigns(x: Tensor) -> Tensor:
    x[:, 0] = 0
    return x


def to_number(x: Tensor) -> Tensor:
    return x * float(x.mean())


@pytest.mark.parametrize(
    ("function", "line", "advice"),
    [
        (branches, "if x.sum() > 0", "torch.where"),
        (iterates, "for image in x", "torch.chunk"),
        (measures, "len(x)", "x.shape[0]"),
        (assigns, "x[:, 0] = 0", "torch.cat"),
        (to_number, "float(x.mean())", "torch.fx.wrap"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_untraceable_model_names_the_line_and_what_to_change(function: Any, line: str, advice: str) -> None:
    with pytest.raises(UserError) as caught:
        trace(Untraceable(function), torch.zeros(2, 3, 4, 4))
    text = str(caught.value)
    assert f"tests/graph/test_trace.py:{line_of(function, line)} `" in text
    assert line in text
    assert advice in text
    assert "\n" not in text


@fx.wrap
def normalised_unless_dark(x: Tensor) -> Tensor:
    return x / x.sum() if x.sum() > 1 else x


def test_wrapped_function_may_look_at_values() -> None:
    x = torch.ones(1, 2, 3, 4)
    graph = trace(Untraceable(lambda x: normalised_unless_dark(x) + 1), x)
    assert difference(run(graph, [x]), x / 24 + 1) < 1e-6
    assert [op_name(node) for node in graph.graph.nodes] == ["input", "normalised_unless_dark", "add", "output"]


def test_further_arguments_keep_their_defaults() -> None:
    x = torch.randn(1, 3, 4, 4)
    model = Blocks().eval()
    assert difference(run(model, [x]), run(trace(model, x), [x])) == 0


def test_several_inputs() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, *more: Tensor) -> Tensor:
            return x + more[0] * 2

    x, y = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)
    result = rewrite(Two(), (x, y), "x86")
    assert difference(x + y * 2, run(result.module, [x, y])) == 0
    assert result.shapes == ((1, 2, 3, 4), (1, 2, 3, 4))
    names = [op_name(node) for node in result.module.graph.nodes]
    assert names[:4] == ["input", "input", "quant_stub", "quant_stub"]


@pytest.mark.parametrize(
    ("model", "example", "text"),
    [
        (Blocks(), (torch.zeros(1, 3, 4, 4),) * 4, "the example has 4 tensors"),
        (Blocks(), (), "the example has 0 tensors"),
        (Blocks(), torch.zeros(1, 5, 4, 4), "doesn't take the example, tests/graph/test_trace.py:"),
        (Blocks(), torch.zeros(4), "doesn't take the example"),
        (Untraceable(lambda x: x + x[:, :, 1:]), torch.zeros(1, 3, 4, 4), "doesn't take the example"),
    ],
    ids=["too many", "none", "channels", "rank", "sizes"],
)
def test_wrong_example(
    model: nn.Module, example: Any, text: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """One line, and nothing that torch logs of its own."""
    with pytest.raises(UserError, match=text) as caught:
        trace(model, example)
    assert "\n" not in str(caught.value)
    assert (capfd.readouterr().err, caplog.text) == ("", "")


def test_state_changed_in_forward_is_refused() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    with pytest.raises(UserError, match="changes its buffer calls"):
        trace(Counts(), torch.zeros(1, 2, 3, 4))


def test_numbers_that_depend_on_pixels_stay_computed() -> None:
    x = torch.ones(1, 2, 4, 4)
    model = Untraceable(lambda x: x * brightness(x) + F.interpolate(x, x.shape[2:]))
    result = rewrite(model, x, "x86")
    assert difference(run(model, [x * 5]), run(result.module, [x * 5])) == 0
    assert [found.op for found in check(result.module, x, "x86")] == ["brightness", "mul"]


@fx.wrap
def brightness(x: Tensor) -> float:
    return float(x.mean())
