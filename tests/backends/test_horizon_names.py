"""A version of the plugin that lacks a name is one line, and the tail's older name is taken."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import qat
from qat.backends import calibration
from qat.backends.horizon import HorizonBackend, Options
from qat.backends.horizon.build import HbmSettings, build
from qat.backends.horizon.plugin import part
from qat.backends.horizon.qconfig import TAIL
from qat.handover.runner import plugin as runner

SIZE = (1, 3, 16, 32)


def made(folder: Path, source: str = "ddr") -> None:
    """Every call of the plugin, from prepare to the board's files."""
    horizon = HorizonBackend(Options((0.5,) * 3, (0.5,) * 3, input_source=source))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    prepared = horizon.prepare(qat.rewrite(model, torch.zeros(SIZE), "j5"), qat.QuantSpec())
    calibration.calibrate(prepared, [torch.randn(SIZE)], observe=horizon.observe)
    network, example = horizon.for_device(prepared), torch.zeros(SIZE)
    build(horizon.to_torchscript(network, example), example, folder, HbmSettings(input_source=source))


NAMES = [(module, name) for module, names in runner.NEEDED.items() for name in names]


@pytest.mark.parametrize(
    ("module", "name"), [*NAMES, ("quantization", "fuse_fx"), ("functional", "centered_yuv2rgb")], ids=str
)
def test_a_name_that_is_missing(
    stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    """All that a bundle needs, and what the direct road needs beside it."""
    monkeypatch.delattr(part(module), name)
    says = f"horizon_plugin_pytorch 1.8.2+stand-in has no {module}.{name}; the documentation of OpenExplorer 1.1.x"
    with pytest.raises(qat.UserError, match=re.escape(says)):
        made(tmp_path, "pyramid" if module == "functional" else "ddr")


def test_the_tails_older_name(stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qconfig = part("quantization.qconfig")
    newer, older = TAIL
    monkeypatch.setattr(qconfig, older, getattr(qconfig, newer), raising=False)
    monkeypatch.delattr(qconfig, newer)
    made(tmp_path)
    assert (tmp_path / "model.hbm").is_file()


def test_both_roads_know_the_same_names() -> None:
    assert tuple(name.format("calib") for name in runner.TAIL) == TAIL
