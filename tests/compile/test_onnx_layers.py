"""Each operation of onnx_layers: float as torch, int8 as the fake-quantised network, in every spelling."""

from __future__ import annotations

import pytest

from tests.compile.operations import CONVOLUTIONS, Operation, title
from tests.compile.small import check


@pytest.mark.parametrize("operation", CONVOLUTIONS, ids=title)
def test_says_what_torch_says(operation: Operation) -> None:
    check(operation)
