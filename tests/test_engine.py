from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import qat
from qat import engine
from qat.backends.spec import QuantSpec
from qat.errors import UserError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    engine.choose_engine.cache_clear()
    yield
    engine.choose_engine.cache_clear()


def test_without_vnni_the_range_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_vnni", lambda: False)
    chosen = engine.choose_engine("x86")
    assert chosen.reduce_range
    assert "no VNNI" in chosen.reason
    assert QuantSpec(engine="x86").grid.high == 127
    assert QuantSpec(engine="x86").unit_qparams == (1 / 63, 64)


def test_with_vnni_all_levels_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_vnni", lambda: True)
    assert not engine.choose_engine("x86").reduce_range
    assert QuantSpec(engine="x86").grid.high == 255
    assert QuantSpec(engine="x86", scheme="affine").unit_qparams == (1 / 255, 0)


def test_auto_takes_what_torch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(torch.backends.quantized), "supported_engines", ["none", "qnnpack"])
    assert engine.choose_engine("auto").name == "qnnpack"


def test_an_engine_that_torch_lacks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(torch.backends.quantized), "supported_engines", ["none", "qnnpack"])
    with pytest.raises(UserError, match=r"QUANT.ENGINE x86 is not in this torch; expected one of: qnnpack"):
        engine.choose_engine("x86")


def test_wide_depthwise_layers_do_not_saturate() -> None:
    """torch 2.13: engine x86 takes fbgemm's kernel for over 100 groups, which adds pairs of products in 16 bits."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 128, 1), nn.ReLU(), nn.AvgPool2d(5, 2, 2), nn.Conv2d(128, 4, 1)]
    model, pictures = nn.Sequential(*layers).eval(), [torch.randn(1, 3, 16, 16) for _ in range(3)]
    graph = qat.prepare(qat.rewrite(model, pictures[0], "x86"))  # the pooling becomes a depthwise convolution
    qat.calibrate(graph, pictures)
    calib, int8 = qat.fake_quantized(graph), qat.convert(graph)
    for x in pictures:
        assert (int8(x) - calib(x)).abs().max() < 0.05 * calib(x).abs().max()


def test_only_convert_changes_the_engine_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare left torch's global engine changed, for whatever else the process runs."""
    before = torch.backends.quantized.engine
    other = next(name for name in torch.backends.quantized.supported_engines if name not in ("none", before))
    picture = torch.randn(1, 3, 16, 16)
    try:
        graph = qat.prepare(
            qat.rewrite(nn.Sequential(nn.Conv2d(3, 4, 1)).eval(), picture, "x86"), QuantSpec(engine=other)
        )
        qat.calibrate(graph, [picture])
        assert torch.backends.quantized.engine == before
        qat.convert(graph)
        assert torch.backends.quantized.engine == other  # its kernels look at it while they run
    finally:
        torch.backends.quantized.engine = before


def test_the_engine_comes_back_after_an_error() -> None:
    before = torch.backends.quantized.engine
    with pytest.raises(UserError, match="no_such"), engine.engine_in_use("no_such"):
        raise AssertionError
    with pytest.raises(RuntimeError), engine.engine_in_use("qnnpack"):
        raise RuntimeError
    assert torch.backends.quantized.engine == before
