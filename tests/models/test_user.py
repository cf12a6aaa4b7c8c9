"""Which output of a user's network is the logits, and what its function may be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from qat.errors import UserError
from qat.graph import trace
from qat.models import UserNetwork, load_user_network

NET = """
import sys
from torch import nn
sys.path.insert(0, "/nowhere")
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, 2, 1)
    def forward(self, x):
        return {form}
def net(): return Net()
"""
MODULE = """
import colorsys, sys
from torch import nn
class Net(nn.Conv2d):
    def __init__(self, width):
        super().__init__(3, width, 1)
        self.path = list(sys.path)
def net(width): return Net(width)
"""
FORMS: dict[str, tuple[str, Any]] = {
    "a tensor": ("self.conv(x)", None),
    "one in a tuple": ("(self.conv(x),)", None),
    "one in a dictionary": ("{'out': self.conv(x), 'info': None}", None),
    "an index": ("(x, self.conv(x))", 1),
    "an index from the end": ("[x, self.conv(x)]", -1),
    "a key": ("{'aux': x, 'out': self.conv(x)}", "out"),
    "an attribute": ("__import__('types').SimpleNamespace(aux=x, logits=self.conv(x))", "logits"),
}


def user(folder: Path, form: str, output: Any = None, ending: str = "") -> UserNetwork:
    path = folder / "net.py"
    path.write_text(NET.replace("{form}", form).replace("return Net()", f"return Net(){ending}"))
    return UserNetwork(f"{path}:net", output=output)


@pytest.mark.parametrize("case", FORMS)
def test_the_logits_are_found_and_the_network_stays_what_it_is(case: str, tmp_path: Path) -> None:
    before = list(sys.path)
    network, spec = load_user_network(user(tmp_path, *FORMS[case]), 2, (64, 64))
    picture = torch.randn(1, 3, 16, 24)
    logits = network.conv(picture)  # type: ignore[operator]
    assert torch.equal(network(picture), logits)
    assert torch.equal(trace(network, picture)(picture), logits)
    assert list(network.state_dict()) == ["conv.weight", "conv.bias"]
    assert (type(network).__name__, spec.stride, spec.smallest_side) == ("Net", 2, 2)
    assert sys.path == before


def test_the_weights_are_the_same_in_each_call(tmp_path: Path) -> None:
    mine = user(tmp_path, "self.conv(x)")
    first, second = (load_user_network(mine, 2, (64, 64))[0].state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_network_for_one_size_is_run_at_that_size(tmp_path: Path) -> None:
    mine = user(tmp_path, "self.conv(x.view(1, 3, 32, 64))")
    assert load_user_network(mine, 2, (32, 64))[1].stride == 2


def test_logits_that_are_no_whole_part_of_the_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"logits 63x63 of a picture 128x128"):
        load_user_network(user(tmp_path, "self.conv(x)[..., 1:, 1:]"), 2, (64, 64))


def test_logits_without_height_and_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives \(1, 2\); expected logits"):
        load_user_network(user(tmp_path, "self.conv(x).mean((2, 3))"), 2, (64, 64))


@pytest.mark.parametrize("argmax", ["self.conv(x).argmax(1)", "self.conv(x).argmax(1, keepdim=True).int()"])
def test_classes_in_place_of_logits_say_what_to_return(argmax: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected logits .*; it takes the argmax itself: return what that reads"):
        load_user_network(user(tmp_path, argmax), 2, (64, 64))


def test_one_map_for_a_sigmoid_says_what_to_return(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gives one map, as for a sigmoid; expected 2 .* torch\.cat\(\[-x, x\], 1\)"):
        load_user_network(user(tmp_path, "self.conv(x)[:, :1]"), 2, (64, 64))


def test_other_types_of_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has conv\.weight in float16; return it in float32"):
        user(tmp_path, "self.conv(x)", ending=".half()").build()


def test_a_file_that_exits_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\nsys.exit('usage')\n")
    with pytest.raises(UserError, match=r"script\.py:2: SystemExit: usage"):
        UserNetwork(f"{tmp_path}/script.py:main").build()


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(UserError, match=r"gives dict; expected a torch\.nn\.Module"):
        UserNetwork("builtins:dict").build()


@pytest.mark.parametrize("closed", [torch.jit.script, torch.compile])
def test_a_module_that_python_cannot_read_says_what_to_return(closed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.models.user.find_function", lambda name: lambda: closed(nn.ReLU()))
    with pytest.raises(UserError, match=r"return the module itself, without torch\.jit and torch\.compile"):
        UserNetwork("a:b").build()


def test_an_output_that_is_a_list_itself_is_told_without_a_guess(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"MODEL.OUTPUT 1 is no tensor of .*0: .*, 1: list$"):
        load_user_network(user(tmp_path, "(x, [self.conv(x)])", 1), 2, (64, 64))


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x + 1


def test_a_traced_graph_gives_its_chosen_output(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = fx.symbolic_trace(Pair())
    monkeypatch.setattr("qat.models.user.find_function", lambda name: lambda: graph)
    network, _ = load_user_network(UserNetwork("a:b", output=1), 3, (64, 64))
    assert torch.equal(trace(network, torch.zeros(1, 3, 4, 4))(torch.zeros(1, 3, 4, 4)), torch.ones(1, 3, 4, 4))


SIZES = {  # what forward returns -> the stride of its logits, what a picture's sides are multiples of
    "self.conv(x)": (2, 2),
    "nn.functional.interpolate(self.conv(x), x.shape[-2:])": (1, 1),
    "nn.functional.interpolate(self.conv(x), scale_factor=2.0)": (1, 2),
    "self.conv(x) + nn.functional.interpolate(nn.functional.avg_pool2d(self.conv(x), 8), scale_factor=8.0)": (2, 16),
    "self.conv(x).unflatten(2, (-1, 6)).unflatten(4, (-1, 6)).flatten(4, 5).flatten(2, 3)": (2, 12),
    "self.conv(x).unflatten(2, (-1, 7)).unflatten(4, (-1, 7)).flatten(4, 5).flatten(2, 3)": (2, 14),
    "self.conv(nn.functional.avg_pool2d(x.unflatten(2, (-1, 64)).flatten(2, 3), 2))": (4, 64),
}


@pytest.mark.parametrize("form", SIZES)
def test_the_multiple_is_the_least_that_the_network_takes(form: str, tmp_path: Path) -> None:
    _, spec = load_user_network(user(tmp_path, form), 2, (64, 64))
    assert (spec.stride, spec.side_multiple) == SIZES[form]


def test_a_module_is_found_in_the_working_directory_after_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "nets.py").write_text(MODULE)
    (tmp_path / "colorsys.py").write_text("raise ImportError('not Python's own')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    before = list(sys.path)
    network = UserNetwork("mine.nets:net", {"width": 3}).build()
    assert network.path == [*before, str(tmp_path)]
    assert sys.path == before
