"""What a row of the table of traps is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qat.graph.traps.file import FileView
from qat.graph.traps.network import NetworkView
from qat.targets.table import Severity

Sighting = tuple[str, str]
"""A place (a source line, a node, a module) and what stands there."""


@dataclass(frozen=True)
class Trap:
    """A way in which an exported network fails or errs elsewhere.

    `harm`: what goes wrong; `fix`: what to write instead. `in_network` and `in_file` find it in a model and in an ONNX
    file. `severity`: "error" where a file with it isn't run by ONNX's own operators.
    """

    name: str
    harm: str
    fix: str
    in_network: Callable[[NetworkView], Iterable[Sighting]]
    in_file: Callable[[FileView], Iterable[Sighting]]
    severity: Severity = "warning"


@dataclass(frozen=True)
class TrapFinding:
    """A trap at a place: what stands there, what goes wrong and how to mend it."""

    trap: str
    place: str
    found: str
    harm: str
    fix: str
    severity: Severity
