from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from qat.compile.perf.page import layers_json, machine_json, perf_json, write_report
from qat.compile.perf.report import PerfEntry, SpeedReport, SpeedRow, artefacts_of, perf_table, reasons
from qat.compile.perf.timing import Timing
from qat.errors import UserError
from tests.compile.perf.fakes import FLOAT, INT8, MACHINE, PEAK, a_report

MANIFEST = {"kind": "mnn", "bytes": 5, "runtimes": ["mnn"], "macs": 7, "sha256": "0"}


def test_share_of_the_roofline() -> None:
    timing = Timing(20.0, 30.0)  # 4 GMAC in 20 ms: 200 GMAC/s
    figures = SpeedRow(INT8, "ort", PEAK, timing).figures(timing)
    assert figures["gmacs_per_s"] == pytest.approx(200)
    assert figures["share_of_roofline"] == pytest.approx(0.5)  # of 400
    assert SpeedRow(FLOAT, "ort", PEAK, timing).figures(timing)["share_of_roofline"] == pytest.approx(2.0)  # of 100
    assert SpeedRow(FLOAT, "ort", PEAK, timing).roofline_ms == pytest.approx(40)


@pytest.mark.parametrize(
    ("kind", "precision"),
    [
        *[(kind, "int8") for kind in ("torchscript", "onnx_int8_s8", "onnx_int8_u8")],
        *[(kind, "fp32") for kind in ("onnx_float", "mnn", "ncnn")],
    ],
)
def test_the_peak_that_a_kind_is_held_against(kind: str, precision: str) -> None:
    assert PerfEntry("a", kind, 1, (), 1).precision == precision


def test_perf_json_has_exactly_these_keys() -> None:
    perf = perf_json(a_report())
    assert {name: {runtime: list(rows) for runtime, rows in runtimes.items()} for name, runtimes in perf.items()} == {
        "model.onnx": {"openvino": ["2"]},
        "model_float.onnx": {"ort": ["2"]},
    }
    assert perf["model.onnx"]["openvino"]["2"] == {
        "median_ms": 20.0,
        "p90_ms": 25.0,
        "fps": 50.0,
        "gmacs_per_s": pytest.approx(200),
        "share_of_roofline": pytest.approx(0.5),
    }


def test_machine_json_has_the_peaks_and_what_failed() -> None:
    machine = machine_json(a_report(reason="refused: s8"))
    assert machine == MACHINE | {
        "threads_measured": [2],
        "roofline": {"2": {"threads": 2, "fp32_gmacs": 100.0, "int8_gmacs": 400.0, "copy_gb_per_s": 20.0}},
        "failed": [
            {"artefact": "model.onnx", "runtime": "ort", "threads": 2, "status": "failed", "reason": "refused: s8"}
        ],
    }


def test_layers_json() -> None:
    layers = layers_json(a_report(layers=2))
    assert layers == {
        "model.onnx": {
            "openvino": [
                {"name": "layer0", "kind": "Convolution", "precision": "f32", "ms": 0.0},
                {"name": "layer1", "kind": "Convolution", "precision": "i8", "ms": 1.0},
            ]
        }
    }


def test_all_four_files_are_written(tmp_path: Path) -> None:
    write_report(a_report(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.json", "machine.json", "perf.html", "perf.json"]
    assert json.loads((tmp_path / "perf.json").read_text()) == perf_json(a_report())


def test_the_manifest_says_what_to_time() -> None:
    assert artefacts_of({"artefacts": {"model.mnn": MANIFEST}}) == [PerfEntry("model.mnn", "mnn", 5, ("mnn",), 7)]


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({}, "lacks 'artefacts'"),
        ({"artefacts": {}}, "lists no artefacts"),
        ({"artefacts": {"a": {key: value for key, value in MANIFEST.items() if key != "macs"}}}, "lacks 'macs'"),
    ],
)
def test_a_manifest_of_something_else(manifest: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=f"{says}; rerun make compile"):
        artefacts_of(manifest)


def test_the_table_has_every_row_and_fits_a_terminal() -> None:
    shown = io.StringIO()
    Console(width=80, file=shown).print(perf_table(a_report()))
    lines = shown.getvalue().splitlines()
    rows = [line.split() for line in lines if ".onnx" in line]
    assert rows[0] == ["model.onnx", "openvino", "2", "20.0", "25.0", "50.0", "200", "50%", "10.0"]
    assert rows[1] == ["model.onnx", "ort", "2", "failed"]
    assert rows[2] == ["model_float.onnx", "ort", "2", "80.0", "81.0", "12.5", "50", "50%", "40.0"]
    assert any("2 threads: 400 GMAC/s int8, 100 fp32, copy 20 GB/s" in line for line in lines)


def test_a_reason_is_given_once() -> None:
    failing = a_report(reason="refused").rows[1]
    twice = SpeedReport("", [failing, failing], MACHINE)
    assert reasons(twice) == ["model.onnx in ort: refused"]
