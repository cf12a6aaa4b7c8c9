"""int_model.pt runs on the engine that it was made for, whatever the process's is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import qat
from qat.backends.fx import to_torchscript
from qat.errors import UserError
from qat.runtimes import get_runtime
from qat.runtimes.torchscript import engine_of, save_script

PICTURE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
ENGINES = [name for name in torch.backends.quantized.supported_engines if name not in ("none", "x86")]


@pytest.fixture(autouse=True)
def process_engine() -> Iterator[str]:
    before = torch.backends.quantized.engine
    yield before
    torch.backends.quantized.engine = before


def script_on(engine: str) -> torch.jit.ScriptModule:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1)).eval()
    prepared = qat.prepare(qat.rewrite(model, PICTURE, "x86"), qat.QuantSpec(engine=engine))
    qat.calibrate(prepared, [PICTURE])
    return to_torchscript(qat.convert(prepared), PICTURE)


@pytest.mark.parametrize("engine", ENGINES)
def test_loaded_and_run_on_its_own_engine(
    engine: str, process_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter took engine auto for every file, and left it as the process's."""
    script = script_on(engine)
    expected = script(PICTURE).numpy()
    save_script(script, tmp_path / "int_model.pt", engine)
    torch.backends.quantized.engine = process_engine
    engines, load = [], torch.jit.load

    def watched(*given: object, **more: object) -> torch.jit.ScriptModule:
        engines.append(torch.backends.quantized.engine)
        return load(*given, **more)

    monkeypatch.setattr(torch.jit, "load", watched)
    session = get_runtime("torchscript").load(tmp_path / "int_model.pt", torch.get_num_threads())
    assert torch.backends.quantized.engine == process_engine
    assert np.array_equal(session.run(PICTURE.numpy()), expected)
    assert torch.backends.quantized.engine == process_engine
    assert engines == [engine]


def test_a_file_without_an_engine_takes_auto(tmp_path: Path, process_engine: str) -> None:
    script_on("fbgemm").save(str(tmp_path / "int_model.pt"))
    assert engine_of(tmp_path / "int_model.pt") == "auto"
    torch.backends.quantized.engine = "fbgemm"
    get_runtime("torchscript").load(tmp_path / "int_model.pt", 1)
    assert torch.backends.quantized.engine == "fbgemm"


def test_an_engine_that_is_not_here_is_named(tmp_path: Path) -> None:
    save_script(script_on("fbgemm"), tmp_path / "int_model.pt", "another")
    with pytest.raises(UserError, match="another is not in this torch"):
        get_runtime("torchscript").load(tmp_path / "int_model.pt", 1)
