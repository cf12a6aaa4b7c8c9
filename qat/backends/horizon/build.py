"""The vendor's compiler, call by call; every return code is looked at."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qat.backends.horizon.march import march_of
from qat.backends.horizon.plugin import call, tool
from qat.errors import UserError
from qat.files import atomic_path
from qat.invocation import command

SOURCES = ("ddr", "pyramid")  # normalised RGB from memory, the camera's centred YUV444
OPTS = ("O0", "O1", "O2", "O3", "ddr", "fast", "balance")
HBIR, HBM = "model.hbir", "model.hbm"  # the intermediate file and the one for the board


@dataclass(frozen=True)
class HbmSettings:
    """Settings of the compiler. `opt`: one of OPTS. `jobs`: threads.

    `network`: the name of perf_model's files. `script`, `picture`: the names of the traced model and the svg.
    """

    march: str = "bayes"
    input_source: str = "ddr"
    opt: str = "O2"
    jobs: int = 16
    network: str = "model"
    script: str = "model.pt"
    picture: str = "model.svg"


def _advice() -> str:
    return f"run {command('check', target='j5')}: the plugin's own lines above name the operation"


def build(script: torch.jit.ScriptModule, example: Tensor, folder: Path, settings: HbmSettings) -> dict[str, Any]:
    """Write the traced model, HBIR, HBM, the picture and perf_out/ into `folder`; what perf_model returns.

    `script`: the integer network traced on the CPU with `example` (1, 3, H, W). UserError names the call that failed.
    """
    _save(script, example, folder / settings.script)
    examples, march, source = [example], march_of(settings.march).text, settings.input_source
    _run("check_model", script, examples, march=march, input_source=source)
    _run("export_hbir", script, examples, str(folder / HBIR), march=march)
    hbm = str(folder / HBM)
    options = {"march": march, "input_source": source, "opt": settings.opt}
    _run("compile_model", script, examples, hbm, **options, progressbar=False, jobs=settings.jobs)
    _run("visualize_model", script, examples, march=march, save_path=str(folder / settings.picture), show=False)
    return _perf(script, examples, folder / "perf_out", options | {"name": settings.network})


def _save(script: torch.jit.ScriptModule, example: Tensor, path: Path) -> None:
    """Write the model, read it back and compare bit for bit; the operations are the plugin's, which is imported."""
    with atomic_path(path) as aside:
        content = io.BytesIO()  # torch's own writer ends the process where a disk is full
        torch.jit.save(script, content)
        aside.write_bytes(content.getbuffer())
    with torch.no_grad():
        if not torch.equal(torch.jit.load(str(path))(example), script(example)):
            raise UserError(f"{path.name} read back says something else than the int8 network; report this as a bug")


def _run(function: str, *args: Any, **keywords: Any) -> None:
    """Call a function whose result is an error code, 0 if all is well (export_hbir returns names instead)."""
    code = call(tool("quantization", function), *args, advice=_advice(), **keywords)
    if isinstance(code, int) and code != 0:
        raise UserError(f"the plugin's {function} returned {code}, expected 0; {_advice()}")


def _perf(script: Any, examples: list[Tensor], folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir()
    options = options | {"out_dir": str(folder), "layer_details": True}
    report = call(tool("quantization", "perf_model"), script, examples, advice=_advice(), **options)
    if not isinstance(report, dict):
        raise UserError(f"the plugin's perf_model returned {report!r}, expected its summary; {_advice()}")
    return report
