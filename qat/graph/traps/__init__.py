"""What goes wrong when a network leaves torch, one row a trap, found in a model and in an ONNX file.

from qat.graph.traps import file_traps

for finding in file_traps(onnx.load("model.onnx")):
    print(finding.trap, finding.place, finding.found, finding.fix)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import ModelProto, defs
from torch import nn

from qat.errors import UserError
from qat.graph.trace import Example, trace
from qat.graph.traps import code, operators, sizes
from qat.graph.traps.file import FileView
from qat.graph.traps.network import NEWEST_OPSET, NetworkView
from qat.graph.traps.trap import Sighting, Trap, TrapFinding
from qat.targets.table import Severity

__all__ = ["TRAPS", "Trap", "TrapFinding", "file_traps", "network_traps"]

TRAPS = (
    code.DATA_BRANCH,
    code.SLICE_ASSIGNMENT,
    code.CUSTOM_OPERATOR,
    code.DROPPED_FUNCTION,
    sizes.STRIDED_SLICE,
    sizes.COMPUTED_RESIZE,
    sizes.RANK,
    sizes.ADAPTIVE_POOLING,
    sizes.ALIGN_CORNERS,
    operators.PROCESSING_INSIDE,
    operators.SYNCED_NORM,
    operators.PLAIN_TENSORS,
    operators.ACTIVATION,
    operators.OPSET,
)


def network_traps(
    model: nn.Module, example: Example, opset: int = NEWEST_OPSET, newest: int | None = None
) -> list[TrapFinding]:
    """Find export traps in a model.

    Args:
        model: a float network; it stays as it is.
        example: its input (N, channels, H, W), or a sequence of inputs; only shapes count.
        opset: the operator set in which it is to be written.
        newest: the newest operator set that the consumer reads; None: any.

    Returns:
        A finding for each trap and place, in the order of `TRAPS`; warnings all, since this project writes files from
        the rewritten graph. A model that can't be traced is looked at without its graph.

    Example:
        >>> import torch
        >>> class Focus(nn.Module):
        ...     def forward(self, x):
        ...         return torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1)
        >>> [finding.trap for finding in network_traps(Focus(), torch.zeros(1, 3, 8, 8))]
        ['strided_slice', 'strided_slice']
    """
    try:
        view = NetworkView(model, trace(model, example), opset=opset, newest=newest)
    except UserError as error:
        view = NetworkView(model, None, str(error), opset, newest)
    return [found for trap in TRAPS for found in _findings(trap, trap.in_network(view), "warning")]


def file_traps(model: ModelProto, newest: int | None = None) -> list[TrapFinding]:
    """Find export traps in an ONNX file.

    Args:
        model: the file, of any kind; quantised ones too.
        newest: the newest operator set that the consumer reads; None: that of the onnx package that is installed.

    Returns:
        A finding for each trap and node, in the order of `TRAPS`.
    """
    view = FileView(model, newest or defs.onnx_opset_version())
    return [found for trap in TRAPS for found in _findings(trap, trap.in_file(view), trap.severity)]


def _findings(trap: Trap, sightings: Iterable[Sighting], severity: Severity) -> Iterator[TrapFinding]:
    for place, found in sightings:
        yield TrapFinding(trap.name, place, found, trap.harm, trap.fix, severity)
