"""What a calibration that goes on repeats, and what it doesn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

import qat
from qat.errors import UserError
from qat.origin import Origin
from qat.ptq.context import Context, Outcome
from qat.ptq.methods import Key, Method
from qat.stages import EQUALISED, PARTIAL
from qat.stages.folders import METHODS
from qat.workflow.tuner import Tuner, check_taken_over
from tests.workflow.test_run import config

PICTURE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Row(Method):
    """A method that notes that it ran."""

    def tune(self, prepared: fx.GraphModule, context: Context) -> Outcome:
        RAN.append(self.name)
        return Outcome({"by": self.name}, f"{self.name} ran")


RAN: list[str] = []
FIRST = Row(Key("FIRST", False, ""), "", "weights", (), before_statistics=True)
SECOND, THIRD = (Row(Key(name, False, ""), "", "weights", ()) for name in ("SECOND", "THIRD"))


@pytest.fixture
def prepared() -> fx.GraphModule:
    RAN.clear()
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    return qat.prepare(qat.rewrite(model, PICTURE, "x86"))


def tuner(folder: Path, *, record: dict[str, Any] | None = None) -> Tuner:
    nothing: Any = None
    context = Context({}, folder, *[nothing] * 8)
    return Tuner((FIRST, SECOND, THIRD), context, Origin({}), 1, torch.device("cpu"), record or {})


def test_each_method_runs_once_in_order_and_is_recorded(prepared: fx.GraphModule, tmp_path: Path) -> None:
    one = tuner(tmp_path)
    one.before(prepared)
    assert (tmp_path / EQUALISED).is_file()
    qat.calibrate(prepared, [PICTURE])
    one.after(prepared)
    assert RAN == ["FIRST", "SECOND", "THIRD"]
    record = json.loads((tmp_path / METHODS).read_text())
    assert {name: part["by"] for name, part in record.items()} == {name: name for name in RAN}
    assert (tmp_path / PARTIAL).is_file()


def test_what_is_done_is_not_done_again(prepared: fx.GraphModule, tmp_path: Path) -> None:
    qat.calibrate(prepared, [PICTURE])
    tuner(tmp_path, record={"FIRST": {}, "SECOND": {}}).after(prepared)
    assert RAN == ["THIRD"]


def test_an_earlier_calibration_s_record_is_not_taken_for_this_one_s(prepared: fx.GraphModule, tmp_path: Path) -> None:
    """A run killed while it observed went on with the record of an earlier one, and left methods out in silence."""
    (tmp_path / METHODS).write_text('{"SECOND": {"by": "an earlier run"}}')
    tuner(tmp_path).before(prepared)
    assert "SECOND" not in json.loads((tmp_path / METHODS).read_text())


@pytest.mark.parametrize("title", ["OBSERVER auto", "MAX_DROP 0.1"])
def test_the_plugin_refuses_what_it_cannot_take_over(title: str) -> None:
    with pytest.raises(UserError, match=f"QUANT.{title.removesuffix(' 0.1')} works on backend fx"):
        check_taken_over(config(*f"QUANT.{title}".split()), "horizon")
    check_taken_over(config("QUANT.ADAROUND", "True"), "horizon")
