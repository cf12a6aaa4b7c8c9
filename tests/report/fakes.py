"""What the stages leave on disk, small and made up, for pages that need no network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from qat.data.descriptor import ClassSet
from qat.report.pictures import ComparedPicture, data_uri
from qat.report.sources import Sources

CLASSES = ClassSet(("road", "car", "sky"), np.array([[128, 64, 128], [0, 0, 142], [70, 130, 180]], np.uint8))
NAMES = ("conv1", "layer1_0_conv1", "add", "head")
ENVIRONMENT = {"torch": "2.13.0", "python": "3.11", "cpu": "A fast one", "cpu_flags": ["avx2"], "cores": 2}


def metrics(iou: tuple[float | None, ...] = (0.9, 0.6, 0.3), changed: float | None = None) -> dict[str, Any]:
    """A stage's metrics.json; `changed`: the share of pixels, None for float."""
    known = [value for value in iou if value is not None]
    content = {
        "mean_iou": sum(known) / len(known),
        "pixel_acc": 0.9,
        "class_iou": dict(zip(CLASSES.names, iou, strict=True)),
        "images": 2,
        "image_list": "0123abcd",
        "forward_seconds": 0.1,
        "environment": ENVIRONMENT,
    }
    return content if changed is None else content | {"pixels_changed": changed, "logit_sqnr": 28.4}


def errors(relative_l2: float) -> dict[str, float]:
    """A layer's errors as layers.json has them."""
    return {
        "sqnr_db": -20 * math.log10(relative_l2),
        "relative_l2": relative_l2,
        "cosine": 1 - relative_l2**2 / 2,
        "max_steps": 1.5,
    }


def layer(name: str, isolated: float | None, accumulated: float) -> dict[str, Any]:
    """An entry of layers.json."""
    known = {"name": name, "op": "conv", "module": f"net.{name}", "source": "net.py:3", "macs": 1000}
    isolated_errors = None if isolated is None else errors(isolated)
    return known | {"isolated": isolated_errors, "accumulated": errors(accumulated)}


def video() -> dict[str, Any]:
    """The record that infer leaves beside a video."""
    wave = [0.02 + 0.01 * math.sin(index / 3) for index in range(60)]
    strip = [
        {"frame": 5 * index, "picture": data_uri(np.full((32, 64, 3), 60 + 20 * index, np.uint8))} for index in range(9)
    ]
    return {
        "video": "drive.mp4",
        "frames": 61,
        "flicker": {"float": 0.02, "int_infer": 0.021},
        "curves": {"float": wave, "int_infer": [1.05 * value for value in wave]},
        "strip": strip,
    }


def debug() -> dict[str, Any]:
    """The debug stage's files; the layer `add` is the worst of all."""
    layers = [layer(name, share, 2 * share) for name, share in zip(NAMES, (0.01, 0.02, 0.08, 0.005), strict=True)]
    ranked_by_debug = [each | {"above_best_db": {"activation": 0.5, "weights": None}} for each in layers]
    score = {"mean_iou": 0.6, "sqnr_db": 30.0, "pixels_changed": 0.004}
    ranked = [
        {
            "name": name,
            "module": name,
            "macs": 2e6,
            "alone_quantised": score | {"sqnr_db": 30.0 + i},
            "alone_float": score,
        }
        for i, name in enumerate(NAMES)
    ]
    return {
        "layers": {
            "images": 2,
            "pairs": {
                "calib": {"against": "float", "layers": ranked_by_debug},
                "int_infer": {"against": "calib", "layers": layers[:2]},
            },
        },
        "ranges": {"layers": [ranges(name) for name in NAMES]},
        "sensitivity": {"images": 2, "seconds": 1.0, "groups": {"all": score, "weights": score}, "layers": ranked},
        "advice": {"steps": [{"why": "add is alone", "try": "keep add in float", "command": "make calib OPTS=x"}]},
    }


def ranges(name: str) -> dict[str, Any]:
    """An entry of ranges.json: half the layers have weights."""
    weight = {"min": -0.5, "max": 0.4, "scale_min": 0.001, "scale_max": 0.004, "outlier_channels": []}
    activation = {
        **{"min": -1.0, "max": 3.0, "scale": 0.02, "zero_point": 128, "low": -2.56, "high": 2.54, "saturated": 0.001},
        "histogram": {"edges": [-1.0, 0.0, 1.0, 2.0, 3.0], "counts": [5, 100, 20, 1]},
    }
    outliers = [{"channel": channel, "ratio": 9.5} for channel in range(5)]
    return {
        "name": name,
        "module": f"net.{name}",
        "weight": weight if "conv" in name else None,
        "activation": activation,
        "outlier_channels": outliers,
    }


def sources(**changed: Any) -> Sources:
    """A run with every stage; `changed`: other values of its fields."""
    fired = {"rule": "keepdim", "node": "sum_1", "source": "net.py:23", "what": "keepdim=True, without unsqueeze"}
    log = {
        "fired": [fired, fired | {"node": "sum_2"}],
        "refused": [{"rule": "norm_into_sum", "node": "bn", "source": "net.py:44", "reason": "the sum is read twice"}],
        "proofs": [{"rule": "keepdim", "difference": 4e-7, "tolerance": 1e-5}],
    }
    made_from = {"float weights sha256": "77aa", "QUANT.TARGET": "x86", "QUANT.HIGH_PRECISION": []}
    grid = {
        "scale": 0.02,
        "zero_point": 128,
        "range": [-2.56, 2.54],
        "seen": [-1.0, 3.0],
        "observer": "percentile",
        "dtype": "quint8",
    }
    artefact = {"kind": "onnx_int8_s8", "sha256": "beef", "bytes": 8_000_000, "how": "QDQ", "runtimes": ["ort"]}
    ran = {"agreement_int_infer": 0.998, "mean_iou": 0.59, "images": 2, "status": "ok", "reason": ""}
    known: dict[str, Any] = {
        "title": "tiny on streets",
        "config": "QUANT:\n  TARGET: x86\n",
        "gate": 0.99,
        "metrics": {
            "float": metrics(),
            "calib": metrics((0.9, 0.59, 0.3), 0.004),
            "int_infer": metrics((0.9, 0.61, 0.28), 0.005),
            "compiled ort": metrics((0.9, 0.6, 0.29), 0.0045),
        },
        "stale": ("compiled mnn", "debug"),
        "sizes": {"float": 31_000_000, "compiled ort": 8_000_000},
        "floats": frozenset({"float"}),
        "calibration": {
            "made_from": made_from,
            "images": "cafe",
            "rewrites": log,
            "engine": {"name": "x86", "reason": "VNNI"},
        },
        "qparams": dict.fromkeys(NAMES, grid),
        "compiled": {
            "artefacts": {"model.onnx": artefact},
            "missing": {"model.mnn": "no converter"},
            "runtimes": {"ort": "1.32"},
        },
        "parity": {"model.onnx": {"ort": ran, "mnn": {"status": "refused", "reason": "takes no QDQ"}}},
        "perf": {"model.onnx": {"ort": {"1": {"median_ms": 30.0}, "2": {"median_ms": 16.0}}}},
        "threads": {"rows": [{"artefact": "model.onnx", "runtime": "ort", "milliseconds": {"1": 30.0, "2": 16.0}}]}
        | {"machine": {"cpu": "a CPU", "cores": 2}},
        "debug": debug(),
        "graph": "../compile/graph.html",
        "videos": {"int_infer": (video(),)},
    }
    return Sources(**(known | changed))


def bare(**changed: Any) -> Sources:
    """A run of which only float was evaluated."""
    nothing: dict[str, Any] = {name: {} for name in ("calibration", "qparams", "compiled", "parity", "perf", "sizes")}
    found = {"metrics": {"float": metrics()}, "stale": (), "debug": {name: {} for name in debug()}, "graph": ""}
    return sources(**(nothing | found | changed))


def shown(name: str = "a", changed: int = 3, truth: bool = True, size: tuple[int, int] = (16, 24)) -> ComparedPicture:
    """An image on which `changed` pixels of the first row differ; the last row of the truth is void."""
    height, width = size
    image = np.linspace(0, 255, height * width * 3).reshape(height, width, 3).astype(np.uint8)
    before = np.zeros(size, np.uint8)
    after = before.copy()
    after[0, :changed] = 1
    label = before.copy()
    label[0, : changed // 2], label[-1] = 1, 255
    return ComparedPicture(name, image, label if truth else None, before, after)


def write_page(path: Path, text: str) -> str:
    """The page in a file; its address for a browser."""
    path.write_text(text, encoding="utf-8")
    return path.as_uri()
