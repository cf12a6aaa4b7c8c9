from __future__ import annotations

import pytest
import torch

from qat.compile.perf import roofline
from qat.compile.perf.roofline import Peaks, Roofline, fp32_probe, int8_probe, macs_of, quantised_probe, rate_of


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "LAYERS", ((8, 3, 6, 10), (16, 1, 4, 4)))
    monkeypatch.setattr(roofline, "COPIED", 1 << 16)


def test_the_rate_is_work_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.5])
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(clock))
    assert rate_of(2_000_000_000, lambda: None) == pytest.approx(4)


def test_peaks_are_the_best_of_all_probes_and_turns(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "RUNS", 1)  # a turn: two fp32 probes, two int8 probes, a copy
    rates = iter([3.0, 1.0, 7.0, 9.0, 2.0, 2.0, 4.0, 8.0, 8.0, 1.0])
    monkeypatch.setattr(roofline, "rate_of", lambda units, probe: next(rates))
    peaks = Peaks(2)
    peaks.turn()
    assert peaks.roofline() == Roofline(2, 3.0, 9.0, 2.0)
    peaks.turn()
    assert peaks.roofline() == Roofline(2, 4.0, 9.0, 2.0)


@pytest.mark.parametrize("layer", [(8, 3, 6, 10), (16, 1, 4, 4)])
def test_probes_compute_the_convolution_whose_macs_are_counted(layer: tuple[int, int, int, int]) -> None:
    channels, kernel, height, width = layer
    shape = (1, channels, height, width)
    floats, integers, quantised = (probe(*layer)() for probe in (fp32_probe, int8_probe, quantised_probe))
    assert isinstance(floats, torch.Tensor)
    assert isinstance(integers, torch.Tensor)
    assert isinstance(quantised, torch.Tensor)
    assert floats.shape == integers.shape == quantised.shape == shape
    assert (integers.dtype, quantised.dtype) == (torch.uint8, torch.quint8)
    assert (integers.float() - quantised.int_repr().float()).abs().max() <= 1  # a rounding may fall to the other side
    assert macs_of(*layer) == floats.numel() * channels * kernel**2


def test_a_turn_runs_on_its_threads_and_gives_them_back(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[int] = set()
    monkeypatch.setattr(roofline, "rate_of", lambda units, probe: float(used.add(torch.get_num_threads()) is None))
    before = torch.get_num_threads()
    Peaks(before + 1).turn()
    assert used == {before + 1}
    assert torch.get_num_threads() == before


def test_a_real_measurement_is_positive(small: None) -> None:
    peaks = Peaks(1)
    peaks.turn()
    measured = peaks.roofline()
    assert min(measured.fp32_gmacs, measured.int8_gmacs, measured.copy_gb_per_s) > 0


def test_each_precision_has_its_peak() -> None:
    peaks = Roofline(2, fp32_gmacs=100.0, int8_gmacs=400.0, copy_gb_per_s=20.0)
    assert peaks.milliseconds(4_000_000_000, "int8") == pytest.approx(10)
    assert peaks.milliseconds(4_000_000_000, "fp32") == pytest.approx(40)
