"""Run images through the observed graph; save as it goes, so that a killed run goes on to identical scales."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.backends.fx import observe
from qat.backends.scales import quantisers
from qat.errors import UserError
from qat.files import atomic_path
from qat.origin import Origin


def calibrate(
    prepared: nn.Module,
    inputs: Iterable[Tensor],
    after_batch: Callable[[int], None] | None = None,
    done: int = 0,
    observe: Callable[[Any], None] = observe,
) -> int:
    """Observe batches (N, 3, H, W) of normalised float32; returns the number of batches seen, with the `done` before.

    `after_batch` is called with that number after each batch; `observe` is the backend's. Memory doesn't grow with the
    number of images. Raises UserError when an activation holds NaN or infinity, or when there were no inputs.
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


def save(prepared: nn.Module, path: Path, done: int, origin: Origin) -> None:
    """Write weights, statistics and the number of batches seen, whole or not at all."""
    with atomic_path(path) as aside:
        state = {"format": 1, "done": done, "made_from": dict(origin.values), "state_dict": prepared.state_dict()}
        torch.save(state, aside)


def load(prepared: nn.Module, path: Path, origin: Origin, again: str = "make calib") -> int:
    """Read a saved calibration into `prepared`; returns the number of batches it has seen.

    `again`: the command that makes such a file, for messages. Raises UserError if the file is missing, damaged, or was
    made from something else than `origin`.
    """
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
    return done


def resume(prepared: nn.Module, path: Path, origin: Origin) -> int:
    """Take up a killed run's statistics; returns its batches, 0 where there is none or it had other inputs."""
    try:
        return load(prepared, path, origin)
    except UserError:
        return 0


def dead_observers(prepared: fx.GraphModule) -> list[tuple[str, str]]:
    """(node, why) for each observer that learnt nothing: never seen, or only zeros."""
    live = {q: q.observer for _, q in quantisers(prepared) if q.fixed is None and q.observer.name}
    return [(observer.name, why) for observer in live.values() if (why := observer.dead)]


def qparams(prepared: fx.GraphModule) -> dict[str, dict[str, Any]]:
    """Each quantised node's scale, zero point, real range, levels, what was seen, dtype, and by what it was chosen."""
    rows: dict[str, dict[str, Any]] = {}
    for node, quantiser in quantisers(prepared):
        quantiser.freeze()
        scale, zero_point, bits = float(quantiser.scale), int(quantiser.zero_point), int(quantiser.bits)
        rows[node.all_input_nodes[0].name] = {
            "scale": scale,
            "zero_point": zero_point,
            "range": [scale * (quantiser.quant_min - zero_point), scale * (quantiser.quant_max - zero_point)],
            "levels": [quantiser.quant_min, quantiser.quant_max],
            "seen": quantiser.observer.extremes.tolist(),
            "dtype": {8: "quint8", 16: "int16", 32: "float32"}[bits],
            "observer": "fixed" if quantiser.fixed else quantiser.observer.choice.label,
            "averaging": None if quantiser.fixed else quantiser.observer.choice.averaging,
        }
    return rows
