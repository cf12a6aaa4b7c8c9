"""Tensors of a checkpoint that a network can't compute with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from qat.errors import UserError

SHOWN = 4


def check_usable(path: object, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises UserError that names the tensors with NaN or infinity, and integer, complex or quantised weights.

    `wanted`: the network's own tensors, of which some are integers.
    """
    found = list(_unusable(state, wanted))
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            f"{path} holds what no network computes with: {', '.join(found[:SHOWN])}{more}; save the weights in "
            "float32 before they overflow, or take an earlier checkpoint"
        )


def _unusable(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    for name, value in state.items():
        if value.is_quantized or value.is_complex():
            yield f"{name} is {value.dtype}"
        elif not value.is_floating_point():
            if wanted[name].is_floating_point():
                yield f"{name} is {value.dtype}, expected {wanted[name].dtype}"
        elif not value.isfinite().all():
            yield f"{name} has {'NaN' if value.isnan().any() else 'infinity'}"
