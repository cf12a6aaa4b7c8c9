"""The tiny network's artefacts, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs the extra: runtimes")

from tests.runtimes import tiny


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with float.onnx, s8.onnx, u8.onnx, any_batch.onnx and float.pt."""
    folder = tmp_path_factory.mktemp("artefacts")
    tiny.write_onnx(folder / "float.onnx")
    tiny.write_onnx(folder / "s8.onnx", tiny.S8)
    tiny.write_onnx(folder / "u8.onnx", tiny.U8)
    tiny.write_onnx(folder / "any_batch.onnx", batch="N")
    tiny.write_torchscript(folder / "float.pt")
    return folder
