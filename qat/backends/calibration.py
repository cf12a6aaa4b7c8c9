"""Run images through the observed graph; save as it goes, so that a killed run goes on to identical scales."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from qat.backends.fx.backend import FxBackend
from qat.backends.protocol import Prepared
from qat.errors import UserError
from qat.files import atomic_path
from qat.invocation import command
from qat.origin import Origin

_FX = FxBackend()
_ANYTHING = Origin({})  # where nobody says what a state was made from


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
        UserError: where an activation holds NaN or infinity, or there were no inputs.

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
            prepared(batch)
            done += 1
            if after_batch:
                after_batch(done)
    if done == 0:
        raise UserError("calibration got no images; check DATASET.TRAIN_SET and QUANT.CALIB_IMAGES")
    return done


def save_calibration(prepared: Prepared, path: str | Path, done: int = 0, origin: Origin = _ANYTHING) -> None:
    """Write a prepared network's weights, statistics and scales, whole or not at all.

    Args:
        prepared: after `calibrate`, or on the way.
        path: of the file.
        done: batches seen, which `load_calibration` gives back.
        origin: what it was made from, which `load_calibration` compares.

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
    with atomic_path(path) as aside:
        state = {"format": 1, "done": done, "made_from": dict(origin.values), "state_dict": prepared.state_dict()}
        torch.save(state, aside)


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
    path = Path(path)
    again = again or command("calib")
    if not path.is_file():
        raise UserError(f"no calibration at {path}; run {again} first")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        recorded, done, state = saved["made_from"], saved["done"], saved["state_dict"]
    except Exception as error:  # torch raises whatever the damaged bytes lead to
        raise UserError(f"{path} is damaged ({type(error).__name__}); delete it and run {again} again") from error
    if difference := origin.difference(recorded):
        raise UserError(f"{path} was made with {difference}; run {again} again")
    if state.keys() != prepared.state_dict().keys():
        raise UserError(
            f"{path} belongs to another graph (another QUANT.BACKEND, or version of torch or of this tool); "
            f"run {again} again"
        )
    prepared.load_state_dict(state)
    return int(done)


def resume_calibration(prepared: Prepared, path: Path, origin: Origin) -> int:
    """Take up a killed run's statistics; returns its batches, 0 where there is none or it had other inputs."""
    try:
        return load_calibration(prepared, path, origin)
    except UserError:
        return 0
