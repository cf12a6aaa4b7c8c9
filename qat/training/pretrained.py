"""Weights to start a training from: as many as fit, and the rest said by name."""

from __future__ import annotations

import logging

from torch import nn

from qat.errors import UserError
from qat.models.checkpoint import read_tensors, strip
from qat.resources import find_checkpoint

_log = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, path: str) -> None:
    """Load every tensor of `path` that `model` has in the same shape; log by name what is left on either side.

    Official ImageNet checkpoints have no segmentation heads, and another data set has other classes: those parts keep
    their random weights. Raises UserError if the file is missing or nothing of it fits.
    """
    given, foreign = strip(read_tensors(find_checkpoint(path, "MODEL.PRETRAINED")))
    wanted = model.state_dict()
    fitting = {key: value for key, value in given.items() if key in wanted and value.shape == wanted[key].shape}
    if not fitting:
        raise UserError(f"nothing in MODEL.PRETRAINED {path} fits {type(model).__name__}; check MODEL.NAME")
    model.load_state_dict(fitting, strict=False)
    _log.info("starting from %d of %d tensors of %s", len(fitting), len(given) + len(foreign), path)
    _tell("keep their random weights", wanted.keys() - fitting.keys())
    _tell("not used, the network has none such", (given.keys() - fitting.keys()) | set(foreign))


def _tell(what: str, keys: set[str]) -> None:
    if keys:
        _log.info("%s: %s", what, ", ".join(sorted(keys)))
