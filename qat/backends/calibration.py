"""Run images through the observed graph; save as it goes, so that a killed run goes on to identical scales."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qat.backends.fx.backend import FxBackend
from qat.backends.protocol import Prepared
from qat.backends.weight_scales import as_now, wrong_scale
from qat.errors import UserError
from qat.invocation import command
from qat.origin import Origin
from qat.state_file import read_state, write_state

_FX = FxBackend()
_ANYTHING = Origin({})  # where nobody says what a state was made from
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """What lies in a state beside its network, so that both are replaced together.

    `methods`: what each method did that has run. `views`: the content of the files that are written out of the state,
    by name. `equalised`: the SHA-256 of the file with the float network as equalisation left it; "" without one.
    """

    methods: Mapping[str, Any] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    equalised: str = ""


def calibrate(
    prepared: Prepared,
    inputs: Iterable[Tensor],
    after_batch: Callable[[int], None] | None = None,
    done: int = 0,
    observe: Callable[[Prepared], None] = _FX.observe,
) -> int:
    """Let the observers of a prepared network see pictures; memory doesn't grow with their number.

    Args:
        prepared: what `prepare` gives; its statistics change, in place.
        inputs: batches (N, 3, H, W) of normalised float32, of the size that the graph was rewritten for.
        after_batch: is called with the number of batches seen after each.
        done: batches that it has seen before, in a run that goes on.
        observe: the backend's; fx's by default.

    Returns:
        The number of batches seen, with those before.

    Raises:
        UserError: where an activation holds NaN or infinity, a batch isn't a tensor, or there were no inputs.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
        >>> pictures = [torch.randn(1, 3, 16, 16) for _ in range(2)]
        >>> prepared = qat.prepare(qat.rewrite(model, pictures[0], "x86"))
        >>> qat.calibrate(prepared, pictures)
        2
    """
    observe(prepared)
    with torch.no_grad():  # not inference_mode: a plugin that replaces its buffers couldn't change them later
        for batch in inputs:
            _check(batch)
            prepared(batch)
            done += 1
            if after_batch:
                after_batch(done)
    if done == 0:
        raise UserError("calibration got no images; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    return done


def _check(batch: object) -> None:
    if not isinstance(batch, Tensor):
        raise UserError(
            f"calibration got a {type(batch).__name__} and takes tensors (N, 3, H, W), normalised; of a DataLoader "
            "that gives pictures with labels, pass (picture for picture, _ in loader)"
        )


def save_calibration(
    prepared: Prepared,
    path: str | Path,
    done: int = 0,
    origin: Origin = _ANYTHING,
    record: Record | None = None,
) -> None:
    """Write a prepared network's weights, statistics and scales, whole or not at all.

    Args:
        prepared: after `calibrate`, or on the way.
        path: of the file.
        done: batches seen, which `load_calibration` gives back.
        origin: what it was made from, which `load_calibration` compares.
        record: what belongs to it.

    Returns:
        Nothing; the file is there.

    Raises:
        UserError: where the file can't be written.

    Example:
        >>> import tempfile, torch, qat
        >>> model, picture = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).eval(), torch.randn(1, 3, 16, 16)
        >>> prepared = qat.prepare(qat.rewrite(model, picture, "x86"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     qat.save_calibration(prepared, f"{folder}/calib.ckpt", done=qat.calibrate(prepared, [picture]))
        ...     qat.load_calibration(qat.prepare(qat.rewrite(model, picture, "x86")), f"{folder}/calib.ckpt")
        1
    """
    kept = vars(record or Record())
    content = {"format": 1, "done": done, "made_from": dict(origin.values), **kept, "state_dict": prepared.state_dict()}
    write_state(path, content)


def load_calibration(prepared: Prepared, path: str | Path, origin: Origin = _ANYTHING, again: str = "") -> int:
    """Read what `save_calibration` wrote into a network that was rewritten and prepared in the same way.

    Args:
        prepared: what `prepare` gives; its weights, statistics and scales change, in place.
        path: of the file.
        origin: what it must have been made from.
        again: the command that makes such a file, for messages; by default calib's.

    Returns:
        The number of batches that it has seen.

    Raises:
        UserError: where the file is missing, damaged, another network's, or made from something else than `origin`.

    Example:
        >>> import torch, qat
        >>> graph = qat.rewrite(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), torch.randn(1, 3, 16, 16), "x86")
        >>> load_calibration(qat.prepare(graph), "none.ckpt")  # `save_calibration` shows a file that is there
        Traceback (most recent call last):
        ...
        qat.errors.UserError: no calibration at none.ckpt; run make calib first
    """
    again = again or command("calib")
    saved, ours = _read(Path(path), again), prepared.state_dict()
    if difference := origin.difference(saved["made_from"]):
        raise UserError(f"{path} was made with {difference}; run {again} again")
    state = as_now(saved["state_dict"], ours)
    if _shapes(state) != _shapes(ours):
        raise UserError(
            f"{path} belongs to another graph (another QUANT.BACKEND, or version of torch or of this tool); "
            f"run {again} again"
        )
    if wrong := wrong_scale(state):
        raise UserError(f"{path} is damaged ({wrong}, and a scale is finite and above 0); run {again} again")
    prepared.load_state_dict(state)
    return int(saved["done"])


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _read(path: Path, again: str) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"no calibration at {path}; run {again} first")
    saved = read_state(path, f"delete it and run {again} again")
    if not {"made_from", "done", "state_dict"} <= saved.keys():
        raise UserError(f"{path} is damaged (it holds no calibration); delete it and run {again} again")
    return saved


def resume_calibration(prepared: Prepared, path: Path, origin: Origin) -> int:
    """Take up a killed run's statistics; returns its batches, 0 where there is none; what isn't taken up is said."""
    if not path.is_file():
        return 0
    try:
        return load_calibration(prepared, path, origin)
    except UserError as error:
        _log.warning("starting anew: %s", str(error).rpartition("; ")[0])
        return 0


def recorded(path: Path) -> Record:
    """Returns a state's record; an empty one for a file that isn't there, is older, or is no archive of torch's.

    Raises UserError where the file is damaged.
    """
    if not zipfile.is_zipfile(path):
        return Record()
    seen = path.stat()
    return _recorded(path, (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@lru_cache(maxsize=8)  # a command asks for the same again and again
def _recorded(path: Path, seen: tuple[int, ...]) -> Record:
    return _record(_read(path, command("calib")))


def _record(saved: Mapping[str, Any]) -> Record:
    """An older version's state has none of it."""
    return Record(saved.get("methods", {}), saved.get("views", {}), saved.get("equalised", ""))
