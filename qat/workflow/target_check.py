"""Check a network against QUANT.TARGET: violations before, rewrites, violations after; export traps, of a file too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from yacs.config import CfgNode

from qat.compile.onnx_file import open_onnx
from qat.data.set_findings import SetFindings
from qat.errors import as_user_error
from qat.graph import RewriteLog, Violation, rewrite
from qat.graph import check as violations_of
from qat.graph.traps import TrapFinding, file_traps, network_traps
from qat.models import short_name
from qat.workflow.data_check import data_findings
from qat.workflow.network import build_network, channels_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of
from qat.workflow.settings import backend_choice, fit_of, graph_size, quant_spec

PROOF_PIXELS = 256 * 256  # larger pictures are checked by shape, and proven at a smaller size


@dataclass(frozen=True)
class Findings:
    """The check's findings. `shape`: the pictures'; `proof_shape`: that of the pictures on which outputs were compared.

    `traps`: what goes wrong where it is exported. `data`: what the sets hold, train and val. `backend`: the output of
    the vendor's tools for the rewritten network, if they are installed and no error is left.
    """

    model: str
    target: str
    shape: tuple[int, ...]
    before: list[Violation]
    log: RewriteLog
    proof_shape: tuple[int, ...]
    after: list[Violation]
    backend: tuple[str, ...] = ()
    data: tuple[SetFindings, ...] = ()
    traps: tuple[TrapFinding, ...] = ()

    @property
    def summary(self) -> str:
        """The numbers of errors and warnings, before and after."""
        before, after = errors(self.before), errors(self.after)
        warnings = f"{len(self.before) - before} before, {len(self.after) - after} after"
        return f"errors: {before} before, {after} after; warnings: {warnings}"


@dataclass(frozen=True)
class FileFindings:
    """The export traps of an ONNX file."""

    path: Path
    traps: tuple[TrapFinding, ...]

    @property
    def errors(self) -> int:
        """The number of traps with which ONNX's own operators don't run the file."""
        return sum(one.severity == "error" for one in self.traps)

    @property
    def summary(self) -> str:
        """The numbers of errors and warnings."""
        return f"{self.path}: errors: {self.errors}; warnings: {len(self.traps) - self.errors}"


def check_file(path: str | Path, newest: int | None = None) -> FileFindings:
    """Find the export traps of an ONNX file.

    Args:
        path: of any ONNX file, float or quantised.
        newest: the newest operator set that its consumer reads; None: that of the onnx package that is installed.

    Returns:
        The traps, by name, each with its node, what goes wrong and how to mend it.

    Raises:
        UserError: for a file that can't be read as ONNX.
    """
    model = open_onnx(path)
    with as_user_error(f"{path} can't be checked", "is it damaged? export it again"):
        return FileFindings(Path(path), tuple(file_traps(model, newest)))


def check(config: CfgNode, progress: Progress = silent, newest: int | None = None) -> Findings:
    """Check, rewrite and check again at TEST.IMAGE_SIZE (fitted); structure doesn't depend on weights: they are random.

    Args:
        config: the run's config; MODEL.NAME, DATASET.NUM_CLASSES, TEST.IMAGE_SIZE, QUANT.TARGET and QUANT.BACKEND
            matter, and DATASET for what is said of its sets.
        progress: not called; the check takes seconds.
        newest: the newest operator set that the consumer of COMPILE.OPSET's files reads; None: any.

    Returns:
        The violations before and after, the log of the rewrites and the export traps, with the model's source lines.

    Raises:
        UserError: if the network is unknown or can't be traced.
    """
    model = build_network(config)
    width, height = graph_size(config)
    small_size = fit_of(config).network_size(proof_size(height, width))
    channels = channels_of(config)
    example, small = torch.zeros(1, channels, height, width), torch.zeros(1, channels, *small_size)
    target = config.QUANT.TARGET
    traps = tuple(network_traps(model, example, config.COMPILE.OPSET, newest))
    before = violations_of(model, example, target)
    rewritten = rewrite(model, example, target, prove=example.shape == small.shape)
    log = rewritten.log
    if not log.proofs:
        log = RewriteLog(log.fired, log.refused, rewrite(model, small, target).log.proofs)
    after = violations_of(rewritten.module, example, target)
    report = () if errors(after) else ask_backend(config, model, small)
    return Findings(
        short_name(config.MODEL.NAME),
        target,
        tuple(example.shape),
        before,
        log,
        tuple(small.shape),
        after,
        report,
        data_findings(config),
        traps,
    )


def ask_backend(config: CfgNode, model: nn.Module, example: torch.Tensor) -> tuple[str, ...]:
    """Returns the output of the backend's own tools for the rewritten network; () if it has none."""
    choice = backend_choice(config)
    if not choice.backend.inspects:
        return ()
    rewritten = rewrite(model.eval(), example, config.QUANT.TARGET, prove=False)
    prepared = choice.backend.prepare(rewritten, quant_spec(config))
    return (str(choice), *choice.backend.inspect(rewritten, prepared, example, folders_of(config).stage("check")))


def proof_size(height: int, width: int) -> tuple[int, int]:
    """Halves height and width until a float forward takes a fraction of a second."""
    while height * width > PROOF_PIXELS:
        height, width = height // 2, width // 2
    return height, width


def errors(violations: Sequence[Violation]) -> int:
    """Counts the violations that keep the model from running as int8."""
    return sum(violation.severity == "error" for violation in violations)
