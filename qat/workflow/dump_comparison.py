"""Compare: two folders of logits, such as int_infer's and what a board dumped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from qat.evaluation.dumps import PLAIN, Comparison, DumpForm, compare_folders, mean_of
from qat.workflow.progress import Progress, silent


@dataclass(frozen=True)
class DumpComparison:
    """A row a picture, and their mean."""

    rows: tuple[Comparison, ...]
    mean: Comparison


def compare(
    config: CfgNode, progress: Progress = silent, *, first: str | Path, second: str | Path, form: DumpForm = PLAIN
) -> DumpComparison:
    """Hold two folders of logits against each other, picture by picture.

    Args:
        config: not used: files have all that matters.
        progress: not called.
        first: the reference: .npy files as `infer` writes logits.
        second: the other folder.
        form: of the second's files, where a board dumped them.

    Returns:
        Cosine, MSE, L1, KL, SQNR, the largest difference and the share of classes that differ, by picture.

    Raises:
        UserError: where the folders don't hold the same pictures, or a file isn't of that form.
    """
    rows = compare_folders(Path(first), Path(second), form)
    return DumpComparison(tuple(rows), mean_of(rows))
