"""What the public networks are: entries of their state dicts, parameters, and outputs on seeded weights.

Each row was printed by the public code, `python tests/equality.py NAME --against path/net.py:function --row`
(`--train-form`), with `SIZE`'s picture of `seeded_picture`, and `seed_network`'s weights and statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SIZE = (64, 96)  # height and width of the picture
CLASSES = 19


@dataclass(frozen=True)
class Published:
    """A public network in one form; `outputs`: the `fingerprint` of each, none for a network too large for a test."""

    name: str
    train: bool
    entries: int
    parameters: int
    outputs: tuple[tuple[float, float, float], ...]
    classes: int = CLASSES


def fingerprint(output: Tensor) -> tuple[float, float, float]:
    """Root of the mean square, mean of the product with a cosine along the values, and the value in the middle."""
    values = output.double().flatten()
    wave = torch.cos(torch.arange(len(values), dtype=torch.float64))
    found = (values.square().mean().sqrt(), (values * wave).mean() * len(values) ** 0.5, values[len(values) // 2])
    rms, product, middle = (float(f"{float(value):.7g}") for value in found)
    return rms, product, middle


PUBLISHED = (
    Published(
        name="bisenetv2",
        train=False,
        entries=327,
        parameters=3358627,
        outputs=((3.511014, 0.03130494, 1.246061),),
        classes=19,
    ),
    Published(
        name="bisenetv2",
        train=True,
        entries=383,
        parameters=5231487,
        outputs=(
            (3.511014, 0.03130494, 1.246061),
            (3.316262, -0.01126234, -0.7162673),
            (9.948063, -0.01193862, -3.991014),
            (27.37524, 0.04294291, -12.28788),
            (159.685, 0.8093148, -24.93053),
        ),
        classes=19,
    ),
    Published(
        name="bisenetv1",
        train=False,
        entries=206,
        parameters=13275539,
        outputs=((236.1099, -0.7019265, 18.43312),),
        classes=19,
    ),
    Published(
        name="bisenetv1",
        train=True,
        entries=222,
        parameters=13425721,
        outputs=((236.1099, -0.7019265, 18.43312), (142.4142, 1.120126, 54.10324), (131.6812, 0.956996, 125.8628)),
        classes=19,
    ),
    Published(
        name="ddrnet23_slim",
        train=False,
        entries=333,
        parameters=5695987,
        outputs=((374.1471, 175.9611, 1.445744),),
        classes=19,
    ),
    Published(
        name="ddrnet23_slim",
        train=True,
        entries=346,
        parameters=5734342,
        outputs=((30.79214, 8.59946, -11.47064), (374.1471, 175.9611, 1.445744)),
        classes=19,
    ),
    Published(
        name="mnasnet0_5",
        train=False,
        entries=314,
        parameters=2218512,
        outputs=((4888.778, -130.2644, -4154.642),),
        classes=1000,
    ),
    Published(
        name="yolov5n",
        train=False,
        entries=349,
        parameters=1872157,
        outputs=((41.9741, -8.31491, 22.85076), (44.70988, 13.93566, 21.41669), (42.1972, -12.70795, -32.30107)),
        classes=80,
    ),
    Published(
        name="yolov5s",
        train=False,
        entries=349,
        parameters=7235389,
        outputs=((90.83246, 14.56156, -104.4837), (100.1924, 22.19715, 170.3687), (76.50687, -45.99224, -122.3695)),
        classes=80,
    ),
    Published(name="yolov5m", train=False, entries=481, parameters=21190557, outputs=(), classes=80),
    Published(name="yolov5l", train=False, entries=613, parameters=46563709, outputs=(), classes=80),
    Published(name="yolov5x", train=False, entries=745, parameters=86749405, outputs=(), classes=80),
    Published(
        name="yolov5s_v5",
        train=False,
        entries=362,
        parameters=7276605,
        outputs=((75.23292, -16.45473, -74.93447), (85.49648, 18.44918, 158.2724), (74.82485, 16.09215, -59.74616)),
        classes=80,
    ),
    Published(name="yolov5m_v5", train=False, entries=506, parameters=21375645, outputs=(), classes=80),
    Published(name="yolov5l_v5", train=False, entries=650, parameters=47056765, outputs=(), classes=80),
    Published(name="yolov5x_v5", train=False, entries=794, parameters=87775965, outputs=(), classes=80),
    Published(
        name="litehrnet18",
        train=False,
        entries=1418,
        parameters=1130769,
        outputs=((43551290.0, 1709359.0, 24962250.0),),
        classes=17,
    ),
    Published(
        name="litehrnet30",
        train=False,
        entries=2360,
        parameters=1763717,
        outputs=((10439780000000.0, 239152600000.0, 8078623000000.0),),
        classes=17,
    ),
    Published(
        name="naive_litehrnet18",
        train=False,
        entries=1610,
        parameters=760365,
        outputs=((31626720000.0, -1246305000.0, 7610268000.0),),
        classes=17,
    ),
    Published(
        name="wider_naive_litehrnet18",
        train=False,
        entries=1610,
        parameters=1318625,
        outputs=((55174510000.0, 1320250000.0, 26143770000.0),),
        classes=17,
    ),
    Published(
        name="litehrnet18_seg",
        train=False,
        entries=1418,
        parameters=1130851,
        outputs=((38744750.0, -242276.7, 15501400.0),),
        classes=19,
    ),
    Published(
        name="litehrnet30_seg",
        train=False,
        entries=2360,
        parameters=1763799,
        outputs=((9144224000000.0, 376701200000.0, 6387735000000.0),),
        classes=19,
    ),
    Published(
        name="naive_litehrnet18_seg",
        train=False,
        entries=1610,
        parameters=760427,
        outputs=((49709480000.0, -5186135000.0, -174797900.0),),
        classes=19,
    ),
    Published(
        name="wider_naive_litehrnet18_seg",
        train=False,
        entries=1610,
        parameters=1318707,
        outputs=((52423570000.0, 211322300.0, 14144140000.0),),
        classes=19,
    ),
)
