"""Pictures whose sides the network's stride doesn't divide, through the stages and artefacts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.data import build_dataset
from qat.data.image_io import read_label
from qat.data.transforms import InferenceTransform, normalise
from qat.errors import UserError
from qat.evaluation.confusion import ConfusionMatrix
from qat.models import NetworkSpec
from qat.stages import origin_of
from qat.stages.folders import METRICS
from qat.workflow import calibrate, check, compile, debug, evaluate, infer, report
from qat.workflow.inference import classifier
from qat.workflow.load import load_stage
from qat.workflow.run import folders_of, run_of
from qat.workflow.settings import data_spec
from tests.networks import registered, shuffle_norms

WIDTH, HEIGHT = 70, 50
CLASSES = 3


class Skipping(nn.Module):
    """Adds a map of an eighth to one of a quarter, so that a side must be a multiple of 8; logits at a quarter."""

    upsampled = 1

    def __init__(self, num_classes: int = CLASSES, aux: bool = False) -> None:
        super().__init__()
        self.quarter = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU())
        self.eighth = nn.Sequential(nn.Conv2d(8, 8, 2, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.tail = nn.Conv2d(8, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        quarter = self.quarter(x)
        logits = self.tail(quarter + interpolate(self.eighth(quarter), scale_factor=2.0, mode="nearest"))
        if self.upsampled == 1:
            return logits
        return interpolate(logits, scale_factor=float(self.upsampled), mode="bilinear", align_corners=False)


class FullSize(Skipping):
    """Logits of the picture's size."""

    upsampled = 4


SPECS = (
    NetworkSpec(name="quarter", build=Skipping, stride=4, smallest_side=8, loss="ohem", multiple=8),
    NetworkSpec(name="full", build=FullSize, stride=1, smallest_side=8, loss="ohem", multiple=8),
)


@pytest.fixture(scope="module", params=["quarter pad", "quarter resize", "full pad"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfgNode]:
    """A calibrated run on two pictures of 70x50."""
    name, fit = request.param.split()
    folder = tmp_path_factory.mktemp("sizes")
    lines, rng = [], np.random.default_rng(0)
    for index in range(2):
        small = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(small, (WIDTH, HEIGHT)))
        cv2.imwrite(str(folder / f"{index}_label.png"), (small[..., 0] // 86).repeat(10, 0).repeat(10, 1))
        lines.append(f"{index}.png {index}_label.png\n")
    (folder / "list.txt").write_text("".join(lines))
    torch.manual_seed(0)
    build = next(spec.build for spec in SPECS if spec.name == name)
    torch.save(shuffle_norms(build(CLASSES, False)).state_dict(), folder / "w.pt")
    values = {
        "MODEL.NAME": name,
        "MODEL.ALIGN_CORNERS": name == "quarter",
        "TEST.MODEL_FILE": folder / "w.pt",
        "TEST.IMAGE_SIZE": f"{WIDTH},{HEIGHT}",
        "TEST.FIT": fit,
        "DATASET.DATASET": "cityscapes",
        "DATASET.LABELS": "trainIds",
        "DATASET.NUM_CLASSES": CLASSES,
        "DATASET.ROOT": folder,
        "DATASET.TRAIN_SET": "list.txt",
        "DATASET.TEST_SET": "list.txt",
        "OUTPUT_DIR": folder / "output",
        "QUANT.CALIB_IMAGES": 2,
        "QUANT.OBSERVER": "min_max",
        "DEBUG.IMAGES": 1,
        "DEBUG.SENSITIVITY_IMAGES": 1,
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.BENCH_ROUNDS": 0,
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    with registered(*SPECS):
        run = load_config(None, [str(part) for pair in values.items() for part in pair])
        calibrate(run)
        yield run


def by_hand(config: CfgNode, stage: str, image: Tensor) -> Tensor:
    """The stage's classes (H, W) of a picture (H, W, 3) that is padded and cropped, or scaled both ways, here."""
    align, data = config.MODEL.ALIGN_CORNERS, config.DATASET
    network = load_stage(config, stage)
    if config.TEST.FIT == "resize":
        scaled = torch.from_numpy(cv2.resize(image.numpy(), (72, 56)))
        logits = network(normalise(scaled[None], data.MEAN, data.STD))
        return interpolate(logits, (HEIGHT, WIDTH), mode="bilinear", align_corners=align).argmax(1)[0]
    whole = torch.zeros(1, 3, 56, 72).contiguous(memory_format=torch.channels_last)
    whole[..., :HEIGHT, :WIDTH] = normalise(image[None], data.MEAN, data.STD)
    logits = network(whole)
    return interpolate(logits, (56, 72), mode="bilinear", align_corners=align).argmax(1)[0, :HEIGHT, :WIDTH]


@pytest.mark.parametrize("stage", ["float", "calib", "int_infer"])
@torch.no_grad()
def test_stages_score_and_show_what_is_fitted_by_hand(config: CfgNode, stage: str) -> None:
    scores = evaluate(config, stage=stage).stages[stage]
    matrix, classify = ConfusionMatrix(CLASSES), classifier(config, stage)
    for sample in (dataset := build_dataset(data_spec(config), "val", InferenceTransform())):
        classes = by_hand(config, stage, sample["image"])
        assert torch.equal(torch.from_numpy(classify(sample["image"].numpy())).long(), classes)
        matrix.update(classes[None], sample["label"][None])
    assert len(dataset) == 2
    assert scores["mean_iou"] == pytest.approx(matrix.scores().mean_iou, abs=1e-9)
    assert len(scores["class_iou"]) == CLASSES


def test_a_float_network_that_cannot_take_the_size_shows_that_it_is_needed(config: CfgNode) -> None:
    with pytest.raises(RuntimeError, match="size"):
        load_stage(config, "float")(torch.zeros(1, 3, HEIGHT, WIDTH))
    with pytest.raises(UserError, match=r"70x50 and .* TEST.IMAGE_SIZE 70x50 \(fitted: 72x56\)"):
        load_stage(config, "calib")(torch.zeros(1, 3, HEIGHT, WIDTH))


def test_check_debug_report_and_infer(config: CfgNode, tmp_path: Path) -> None:
    assert check(config).shape == (1, 3, 56, 72)
    for stage in ("float", "int_infer"):
        evaluate(config, stage=stage)
    assert debug(config).measured.sensitivity is not None
    assert report(config).path.is_file()
    done = infer(config, source=config.DATASET.ROOT + "/0.png", stage="int_infer", output=tmp_path)
    assert [path.name for path in done.pictures] == ["0.png"]


@pytest.mark.parametrize("output", ["logits", "argmax"])
def test_artefacts_take_the_fitted_size_and_score_as_int_infer(config: CfgNode, output: str) -> None:
    settings = with_values(config, {"COMPILE.OUTPUT": output})
    parity = compile(settings).parity
    assert all(entry["ort"]["status"] == "ok" for entry in parity.values() if "ort" in entry)
    manifest = json.loads((folders_of(config).stage("compile") / "manifest.json").read_text())
    assert (manifest["input"]["height"], manifest["input"]["width"]) == (56, 72)
    assert manifest["input"]["fit"] == config.TEST.FIT
    assert manifest["input"]["picture"] == {"height": HEIGHT, "width": WIDTH}
    compiled = evaluate(settings, stage="compiled")
    int_infer = json.loads((folders_of(config).stage("int_infer") / METRICS).read_text())
    assert compiled.stages[compiled.title]["pixels_changed"] == pytest.approx(int_infer["pixels_changed"], abs=0.02)


def test_float_s_logits_are_moved_where_the_artefact_s_pictures_are_larger(config: CfgNode) -> None:
    size = {"COMPILE.INPUT_SIZE": [2 * HEIGHT, 2 * WIDTH], "COMPILE.ARTEFACT": "model_float.onnx"}
    larger = with_values(config, size)
    compile(larger)
    compiled = evaluate(larger, stage="compiled")
    labels = read_label(Path(config.DATASET.ROOT, "0_label.png"))
    assert labels.shape == (HEIGHT, WIDTH)
    assert compiled.stages[compiled.title]["pixels_changed"] < 0.18  # unmoved: 0.2


def test_the_key_decides_and_an_older_record_counts_as_the_row_s(config: CfgNode) -> None:
    other = with_values(config, {"TEST.FIT": "resize" if config.TEST.FIT == "pad" else "pad"})
    with pytest.raises(UserError, match=r"was made with TEST\.FIT"):
        load_stage(other, "calib")
    origin = origin_of(run_of(config), "float")
    older = {name: value for name, value in origin.values.items() if name != "TEST.FIT"}
    assert (origin.difference(older) is None) == (config.TEST.FIT == "pad")
