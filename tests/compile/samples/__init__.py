"""Samples of the operations beyond those that torch has int8 kernels for, by subject."""

from __future__ import annotations

from tests.compile.operations import OPERATIONS, Operation
from tests.compile.samples.constants import CONSTANTS
from tests.compile.samples.functions import FUNCTIONS
from tests.compile.samples.moves import MOVES
from tests.compile.samples.norms import NORMS
from tests.compile.samples.pooling import POOLING

MORE: tuple[Operation, ...] = (*FUNCTIONS, *MOVES, *NORMS, *POOLING, *CONSTANTS)
EVERY: tuple[Operation, ...] = (*OPERATIONS, *MORE)
