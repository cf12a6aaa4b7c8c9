"""A method is one row: keys, order, needs, records and docs follow from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.analysis.sensitivity import most_sensitive
from qat.backends.fx import float_view
from qat.backends.weight_scales import weighted
from qat.config import default_config
from qat.errors import UserError
from qat.evaluation.scorer import Score
from qat.ptq.context import Context, repeatable
from qat.ptq.methods import (
    METHODS,
    Method,
    active,
    all_keys,
    method,
    not_taken_over,
    tunes_weights,
    undone_by_equalising,
)

ALWAYS = {"quant", "folder", "progress", "share"}
SIZE = (16, 24)
OFF = {key.name: key.default for key in all_keys()}


def on(*names: str) -> dict[str, Any]:
    """Section QUANT with these methods switched on."""
    return OFF | {name: method(name).on or True for name in names}


def test_importing_the_table_needs_no_torch() -> None:
    code = "import sys, qat.ptq.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_key_is_the_config_s() -> None:
    quant = default_config().QUANT
    for key in all_keys():
        assert quant[key.name] == key.default, key.name


def test_nothing_is_on_by_default() -> None:
    assert active(default_config().QUANT) == ()


def test_methods_run_in_the_table_s_order() -> None:
    names = [row.name for row in active(on("MAX_DROP", "EQUALISE", "OBSERVER"))]
    assert names == ["EQUALISE", "OBSERVER", "MAX_DROP"]
    assert [row.before_statistics for row in METHODS] == sorted(
        (row.before_statistics for row in METHODS), reverse=True
    )


def test_an_observer_by_name_is_no_method() -> None:
    assert active(OFF | {"OBSERVER": "mse"}) == ()


def test_what_another_backend_takes_over() -> None:
    everything = on(*(row.name for row in METHODS))
    assert [row.title for row in not_taken_over(everything)] == ["OBSERVER auto", "MAX_DROP"]
    assert tunes_weights(on("ADAROUND"))
    assert not tunes_weights(on("OBSERVER", "MAX_DROP"))


def test_what_equalising_later_would_undo() -> None:
    assert undone_by_equalising(on("OBSERVER", "BIAS_CORRECTION", "MAX_DROP")) == ("BIAS_CORRECTION", "MAX_DROP")


def test_the_docs_list_the_methods_in_order() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    table = docs.partition("## Methods of calibration")[2].partition("###")[0]
    assert re.findall(r"^\| `([A-Z_]+)` \|", table, re.M) == [row.name for row in METHODS]


def test_advice_has_a_value_that_switches_it_on() -> None:
    advised = {row.name: row.advice[1] for row in METHODS if row.advice}
    for name, value in advised.items():
        read = value if method(name).on else json.loads(value.lower())
        assert method(name).is_on(OFF | {name: read})


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.second(self.first(x)))
        return y


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(1, 3, *SIZE, generator=generator) for _ in range(3)]


def prepare(observer: str) -> fx.GraphModule:
    torch.manual_seed(0)
    return qat.prepare(qat.rewrite(Net().eval(), pictures()[0], "x86"), qat.QuantSpec(observer=observer))


def context(row: Method, folder: Path, observer: str) -> Context:
    """What the row says that it needs; asking for more fails."""
    floating = float_view(prepare(observer))

    @torch.no_grad()
    def judge(network: nn.Module) -> Score:
        errors = torch.stack([(network(x) - floating(x)).square().mean() for x in pictures()])
        return Score(float(-errors.mean()), 0.0, 0.9 - float(errors.mean()))

    parts: dict[str, Any] = {
        "batches": pictures,
        "for_ranges": pictures,
        "example": lambda: pictures()[0],
        "floating": lambda: floating,
        "plain": lambda: floating,
        "judge": lambda: judge,
        "ranking": lambda prepared, plain: most_sensitive(prepared, plain, pictures()),
        "cropped": lambda: (prepare(observer), SIZE),
    }
    quant = on(row.name) | {"TARGET": "x86", "RECONSTRUCT_STEPS": 2, "MAX_DROP": 1e-6}

    def refused(*_: object) -> Any:
        raise AssertionError(f"{row.name} asks for more than its row says")

    return Context(quant, folder, **{name: part if name in row.needs else refused for name, part in parts.items()})


def test_needs_are_the_context_s() -> None:
    known = {field.name for field in fields(Context)} - ALWAYS
    assert {name for row in METHODS for name in row.needs} == known


@pytest.mark.parametrize("row", METHODS, ids=lambda row: row.name)
def test_a_method_runs_with_what_its_row_needs_and_changes_what_it_says(row: Method, tmp_path: Path) -> None:
    observer = row.on or "percentile"
    prepared = prepare(observer)
    if not row.before_statistics:
        qat.calibrate(prepared, pictures())
    before = [layer.weight.clone() for layer in weighted(prepared)]
    biases = [layer.bias.clone() for layer in weighted(prepared)]
    outcome = row.tune(prepared, context(row, tmp_path, observer))
    json.dumps(outcome.record)
    pairs = zip(weighted(prepared), before, biases, strict=True)
    same = all(torch.equal(layer.weight, weight) and torch.equal(layer.bias, bias) for layer, weight, bias in pairs)
    assert same == (row.changes != "weights")
    assert not any(tmp_path.iterdir())


def test_an_iterator_is_refused_where_pictures_are_read_again() -> None:
    assert len(list(repeatable(pictures)())) == len(list(repeatable(pictures())())) == 3
    with pytest.raises(UserError, match="an iterator ends; give a list"):
        repeatable(iter(pictures()))


def test_equalising_after_calibration_is_refused() -> None:
    """It would leave ranges that were observed on other channels' factors."""
    prepared = prepare("percentile")
    qat.calibrate(prepared, pictures())
    with pytest.raises(UserError, match="equalize before calibrate"):
        qat.equalize(prepared, pictures())
