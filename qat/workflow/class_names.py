"""The names of classes in a checkpoint, held against the data set's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from qat.errors import UserError
from qat.models.pickled import read_network

PICKLED = (".pt", ".pth")
log = logging.getLogger(__name__)


@cache
def names_in(path: Path) -> tuple[str, ...]:
    """The classes that a detector's file names, in its outputs' order; empty for other checkpoints."""
    try:
        return read_network(path).names if path.suffix in PICKLED else ()
    except UserError:
        return ()


@cache
def hold_names(path: Path, names: Sequence[str]) -> None:
    """Warn, once, where the checkpoint at `path` names other classes than the data set, `names`, or in another order.

    Upper case, spaces and underscores make no difference.
    """
    own = names_in(path)
    wrong = [at for at, pair in enumerate(zip(own, names, strict=False)) if _plain(pair[0]) != _plain(pair[1])]
    if wrong:
        at = wrong[0]
        log.warning(
            "%s names class %d %r, and the data set %r (%d of %d differ): figures and drawings have the data set's "
            "names; see DATASET.DATASET",
            *(path, at, own[at], names[at], len(wrong), len(names)),
        )


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()
