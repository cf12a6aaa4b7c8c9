"""The profiler is found under its new and its old name, and left out where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import qat
from qat.backends.horizon import HorizonBackend, Options
from qat.backends.horizon.profiler import PATHS, profiler

SIZE = (1, 3, 16, 32)


class Shared(nn.Module):
    """One convolution called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.conv(x)))


def hide(monkeypatch: pytest.MonkeyPatch, *paths: str) -> None:
    for path in paths:
        monkeypatch.setitem(sys.modules, path, None)


@pytest.mark.parametrize(("hidden", "found"), [((), PATHS[0]), (PATHS[:1], PATHS[1])])
def test_both_paths(stand_in: ModuleType, hidden: tuple[str, ...], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, *hidden)
    module = profiler()
    assert module is not None
    assert module.__name__ == found


@pytest.mark.parametrize("source", ["ddr", "pyramid"])
def test_it_looks_at_a_prepared_network(stand_in: ModuleType, tmp_path: Path, source: str) -> None:
    horizon = HorizonBackend(Options((0.5,) * 3, (0.5,) * 3, input_source=source))
    rewritten = qat.rewrite(nn.Sequential(Shared(), nn.ReLU(), nn.Conv2d(3, 2, 1)), torch.zeros(SIZE), "j5")
    lines = horizon.inspect(
        rewritten, horizon.prepare(rewritten, qat.QuantSpec()), torch.zeros(SIZE), tmp_path / "check"
    )
    assert lines[0] == f"qconfigs: {tmp_path / 'check' / 'qconfig_info.txt'}"
    assert lines[1:] == ["shared, so they share one scale: 0.conv (2 times)"]
    written = (tmp_path / "check" / "qconfig_info.txt").read_text()
    assert ("quant.activation_post_process qint8 fixed" in written) == (source == "pyramid")


def test_without_a_profiler_there_is_nothing_to_say(
    stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, *PATHS)
    assert profiler() is None
    horizon = HorizonBackend(Options((0.5,) * 3, (0.5,) * 3))
    rewritten = qat.rewrite(nn.Conv2d(3, 2, 1), torch.zeros(SIZE), "j5")
    prepared = horizon.prepare(rewritten, qat.QuantSpec())
    assert horizon.inspect(rewritten, prepared, torch.zeros(SIZE), tmp_path / "check") == []
    assert not (tmp_path / "check").exists()
