"""What torch.ao is told beyond its own defaults."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from qat.backends.fx.qconfig import KERNEL_GRIDS, SIGMOIDS, Slopes, backend_config

SLOPES = [[0.25], [0.0], [-0.5], [3.0], [0.25, -0.1, 1.5, 0.9], [-1.0, 1.0, 2.0, 0.1], [1e-3, 0.0, -0.3, 1.0]]


@pytest.mark.parametrize("slopes", SLOPES, ids=str)
@pytest.mark.parametrize("scale", [0.02, 0.05])
def test_prelus_kernel_keeps_what_is_above_zero(slopes: list[float], scale: float) -> None:
    """pytorch#100654: on a grid of slopes that ends below 1 its int8 kernel shrinks positive values too."""
    weight, observer = torch.tensor(slopes), Slopes()
    observer(weight)
    grid, zero = observer.calculate_qparams()
    x = torch.linspace(-2, 2, 401).repeat(len(slopes)).view(1, len(slopes), 1, -1)
    quantised = torch.quantize_per_tensor(x, 0.02, 128, torch.quint8)
    stored = torch.quantize_per_tensor(weight, float(grid), int(zero), torch.quint8)
    got = torch.ops.quantized.prelu(quantised, stored, scale, 128).dequantize()
    expected = functional.prelu(quantised.dequantize(), weight).clamp(-128 * scale, 127 * scale)
    assert (got - expected).abs().max() < 1.5 * scale


def test_fixed_grids_are_lifted_for_every_spelling_that_the_table_has() -> None:
    entries = [entry for entry in backend_config().configs if entry.pattern in (*SIGMOIDS, *KERNEL_GRIDS)]
    assert len(entries) == 9
    for entry in entries:
        assert all(kind.output_dtype_with_constraints.scale_exact_match is None for kind in entry.dtype_configs)
