"""Each operation of onnx_elementwise: float as torch, int8 as the fake-quantised network, in every spelling."""

from __future__ import annotations

import numpy as np
import pytest

from qat.backends.scales import quantisers
from qat.compile.onnx.writer import to_onnx
from qat.compile.verify.tensors import tensors_of
from tests.compile.operations import ELEMENTWISE, Operation, title
from tests.compile.small import SPELLINGS, check, departing, kinds, pictures, small


@pytest.mark.parametrize("operation", ELEMENTWISE, ids=title)
def test_says_what_torch_says(operation: Operation) -> None:
    check(operation)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_minus_a_sigmoid_is_exact(spelling: str) -> None:
    """On the grid of 1/127 with zero point 128; ONNX Runtime's form is a table of 256 entries."""
    made = small(lambda m, y: (1 - y.sigmoid()) * y)
    for _, quantiser in quantisers(made.prepared):
        if quantiser.observer.name == "sigmoid":
            quantiser.fixed = (1 / 127, 128)
            quantiser.scale.fill_(1 / 127)
            quantiser.zero_point.fill_(128)
    sigmoid, complement = made.program["sigmoid"], next(s for s in made.program.steps if s.op == "scale_shift")
    assert sigmoid.quant == complement.quant
    model, picture = to_onnx(made.program, SPELLINGS[spelling]), pictures(count=1)[0]
    found = tensors_of(model, made.program, picture.numpy())
    np.testing.assert_allclose(found[complement.name], 1 - found["sigmoid"], atol=1e-6)
    assert ("LeakyRelu" in kinds(model)) == (spelling == "ort")
    assert departing(model, made) == []
