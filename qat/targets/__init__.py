"""What a device allows, as frozen tables."""

from __future__ import annotations

from qat.errors import UserError, nearest
from qat.targets.j5 import J5
from qat.targets.j5_ptq import J5_PTQ
from qat.targets.table import COMPUTED, SIZED, Call, Limit, Row, Target
from qat.targets.x86 import X86

__all__ = ["COMPUTED", "J5", "J5_PTQ", "SIZED", "TARGETS", "X86", "Call", "Limit", "Row", "Target", "get_target"]

TARGETS = {target.name: target for target in (X86, J5, J5_PTQ)}


def get_target(name: str) -> Target:
    """The table of the target `name` (x86, j5, j5_ptq); UserError for another name."""
    if name not in TARGETS:
        raise UserError(f"unknown target QUANT.TARGET {name}; {nearest(name, TARGETS)}")
    return TARGETS[name]
