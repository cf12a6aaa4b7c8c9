"""The calibrated network through Horizon's compiler: the files for the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from qat.backends.horizon.build import HBIR, HBM, HbmSettings, build
from qat.backends.protocol import Backend, Prepared
from qat.compile.horizon_perf import PerfRow, merged, perf_row
from qat.data.transforms import rgb_to_centred_yuv
from qat.errors import UserError
from qat.files import sha256, write_json
from qat.stages.folders import INT_MODEL, PERF

HOW = {
    INT_MODEL: "the plugin's integer network, traced; loads only where the plugin is imported",
    HBIR: "export_hbir",
    HBM: "compile_model, for the board",
}


def compile_for_board(
    folder: Path, backend: Backend, prepared: Prepared, example: Tensor, settings: HbmSettings
) -> list[PerfRow]:
    """Fill the empty `folder` from a calibrated network; returns the compiler's estimate.

    `example`: as `device_example` gives it. Writes int_model.pt, model.hbir, model.hbm, the picture, perf_out/ and
    perf.json. UserError where a call of the plugin fails.
    """
    if backend.board is None:
        raise UserError("the board's files need QUANT.TARGET j5 and the plugin; see docs/j5.md")
    script = backend.to_torchscript(backend.board.for_device(prepared), example)
    rows = [perf_row(build(script, example, folder, settings), "perf_model's result")]
    write_json(folder / PERF, merged({}, HBM, rows))
    return rows


def device_example(example: Tensor, source: str) -> Tensor:
    """A normalised picture as the board gets it: as it is, or for `pyramid` centred YUV444; (1, 3, H, W)."""
    example = example.contiguous()
    return rgb_to_centred_yuv((example * 64 + 128).clamp(0, 255)) if source == "pyramid" else example


def board_record(
    folder: Path, size: Sequence[int], settings: HbmSettings, picture: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest's part on the files; `size`: width and height; `picture`: its words on pictures that are fitted."""
    width, height = size
    return {
        "artefacts": {name: _record(folder / name, how) for name, how in HOW.items()},
        "input": {"height": height, "width": width, "source": settings.input_source, "batch": "1", **picture},
        "march": settings.march,
        "opt": settings.opt,
    }


def _record(path: Path, how: str) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size, "how": how}
