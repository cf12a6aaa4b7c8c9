"""A small network's bundle, written as the workflow writes one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import qat
from qat.backends.bn_folding import folded, layers
from qat.backends.horizon.inputs import normalise_behind
from qat.backends.scales import freeze_scales, keep_bits
from qat.handover.bundle import (
    BundleSpec,
    CalibrationPicture,
    CompilerSpec,
    Contents,
    InputSpec,
    Labelled,
    Probes,
    QConfigSpec,
    write_bundle,
)
from qat.handover.int16 import int16_nodes
from qat.handover.runner import main as runner
from tests.networks import Block, shuffle_norms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HEIGHT, WIDTH = 16, 32  # what the network takes: the pyramid's widths are multiples of 16
PICTURE = (14, 32)  # before two lines are padded
CLASSES = ("a", "b", "c")


class Wide(Block):
    """`Block` for pictures (N, 3, 16, 32)."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = torch.relu(self.conv(x) + x)
        small = nn.functional.avg_pool2d(y, 5, 2, 2)
        spread = nn.functional.interpolate(small, (8, 16), mode="bilinear", align_corners=False)
        gate = torch.sigmoid(self.gate(spread))
        both = torch.cat([(1 - gate) * x, torch.relu(gate * self.conv(y))], 1)
        return self.tail(torch.relu(self.deep(torch.relu(self.norm(both)))))


def pixels(count: int, size: tuple[int, int] = PICTURE) -> np.ndarray:
    """Pictures uint8 (count, *size, 3), smooth."""
    generator = torch.Generator().manual_seed(1)
    small = torch.rand(count, 3, 4, 8, generator=generator)
    grown = nn.functional.interpolate(small, size, mode="bilinear") * 255
    return grown.round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def network_input(pictures: np.ndarray) -> Tensor:
    values = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(
        STD
    ).view(3, 1, 1)
    return nn.functional.pad(values, (0, 0, 0, HEIGHT - PICTURE[0]))


def float_network() -> nn.Module:
    torch.manual_seed(0)
    return shuffle_norms(Wide()).eval()


def contents(source: str = "ddr", listed: bool = False, tuned: bool = False, int16: tuple[str, ...] = ()) -> Contents:
    """Calibrated on backend fx, with four pictures."""
    model, pictures = float_network(), pixels(4)
    x = network_input(pictures)
    rewritten = qat.rewrite(model, x[:1], "j5", prove=False)
    prepared = qat.prepare(rewritten, qat.QuantSpec(observer="min_max"))
    qat.calibrate(prepared, list(x.split(1)))
    freeze_scales(prepared)
    keep_bits(prepared, int16, 16)
    graph = folded(rewritten, prepared).module.eval()
    if source == "pyramid":
        normalise_behind(graph, "quant", MEAN, STD)
    with torch.no_grad():
        logits = [torch.cat([net(one) for one in x[:2].split(1)]) for net in (model, qat.fake_quantized(prepared))]
    scales = {name: core.weight_scale for name, core in layers(prepared) if hasattr(core, "weight_scale")}
    return Contents(
        spec=BundleSpec(
            title="small",
            stage="calib",
            march="bayes",
            march_text="bayes",
            boards="J5",
            classes=CLASSES,
            align_corners=False,
            input=InputSpec(HEIGHT, WIDTH, PICTURE, "pad", source, MEAN, STD),
            qconfig=QConfigSpec("min_max", "min_max", {"averaging_constant": 0.4}),
            compiler=CompilerSpec("O2", 2, "Small", "small.svg"),
            batch=2,
            tail=("tail",),
        ),
        graph=graph,
        probes=Probes(("p0", "p1"), pictures[:2], *logits),
        calibration=_calibration(pictures, listed),
        evaluation=_labelled(),
        weight_scales=scales if tuned else {},
        int16=int16_nodes(prepared, graph),
    )


def _calibration(pictures: np.ndarray, listed: bool) -> Iterator[CalibrationPicture]:
    for index, one in enumerate(pictures):
        yield CalibrationPicture(f"train/{index}.png", None if listed else one)


def _labelled() -> Iterator[Labelled]:
    for index in range(3):
        label = np.full(PICTURE, index, np.uint8)
        label[:2] = 255
        yield Labelled(f"val/{index}", f"val/{index}.npy", label, (HEIGHT, WIDTH))


def write(
    folder: Path, source: str = "ddr", listed: bool = False, tuned: bool = False, int16: tuple[str, ...] = ()
) -> Path:
    """The bundle in `folder`."""
    folder.mkdir(parents=True)
    write_bundle(folder, contents(source, listed, tuned, int16), lambda line: None)
    return folder


def data_set(folder: Path) -> Path:
    """The data set that the bundle's lists name, as .npy."""
    for split, count in (("train", 4), ("val", 3)):
        (folder / split).mkdir(parents=True)
        for index, one in enumerate(pixels(count)):
            np.save(folder / split / f"{index}.npy", one)
    return folder


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def run(folder: Path, *arguments: str, code: int = 0) -> None:
    assert runner.main(folder, list(arguments)) == code
