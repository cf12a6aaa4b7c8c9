"""What tensors span, held against the tensors themselves."""

from __future__ import annotations

import pytest
import torch

from qat.analysis.layer_error import measure
from qat.analysis.ranges import histogram, outliers, ranges, saturated
from qat.observers.grid import Grid
from qat.observers.observer import ActivationObserver
from tests.analysis.networks import block, samples


def observed(values: torch.Tensor) -> ActivationObserver:
    seen = ActivationObserver("mse", Grid(0, 255, True))
    seen.observe(values)
    return seen


def test_saturation_is_the_share_outside() -> None:
    values = torch.randn(1, 2, 50, 50, generator=torch.Generator().manual_seed(0))
    expected = float(((values < -1.0) | (values > 1.5)).float().mean())
    assert saturated(observed(values), -1.0, 1.5) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_the_histogram_counts_everything_between_its_edges(size: float) -> None:
    values = size * torch.rand(1, 2, 30, 30, generator=torch.Generator().manual_seed(0))
    found = histogram(observed(values))
    assert len(found["edges"]) == len(found["counts"]) + 1 <= 65
    assert sum(found["counts"]) == values.numel()
    assert found["edges"][0] <= float(values.min()) <= float(values.max()) <= found["edges"][-1]
    inside = int(((values >= found["edges"][3]) & (values < found["edges"][4])).sum())
    assert found["counts"][3] == pytest.approx(inside, abs=1)


def test_outlier_channels_are_named_widest_first() -> None:
    spans = torch.ones(20)
    spans[3], spans[7], spans[9] = 30.0, 90.0, 7.9
    assert outliers(spans) == [{"channel": 7, "ratio": 90.0}, {"channel": 3, "ratio": 30.0}]
    assert outliers(torch.zeros(4)) == []


def test_the_rows_hold_float_against_the_grid() -> None:
    subject = block()
    rows = {row["name"]: row for row in ranges(measure(subject, samples(), lambda done: None))["layers"]}
    with torch.no_grad():
        largest = max(float(sample.image.max()) for sample in samples())
    assert rows["x"]["activation"]["max"] == pytest.approx(largest)
    assert rows["x"]["weight"] is None
    assert rows["tail"]["activation"] is None
    assert rows["stem_0"]["weight"]["max"] == float(subject.plain.get_submodule("stem.0.0").weight.detach().max())
    quantiser = subject.quantisers["gate"]
    assert rows["gate"]["activation"]["scale"] == float(quantiser.scale)
    assert rows["gate"]["activation"]["low"] == pytest.approx(-128 * float(quantiser.scale))
