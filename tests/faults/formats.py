"""Every file format that the program reads: a whole file of it, how it is damaged, and what reads it."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from yacs.config import CfgNode

from qat.config import load_config
from qat.data import Descriptor, build_dataset, read_descriptor
from qat.data.image_io import read_image
from qat.data.listing import read_list
from qat.data.transforms import InferenceTransform
from qat.models import load_checkpoint
from qat.stages import CHECKPOINTS
from qat.workflow import calibrate, evaluate
from qat.workflow.load import load_stage
from qat.workflow.network import build_network
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec, training_transform
from qat.workflow.training import plan_of
from tests.faults.artefact_formats import artefact_formats
from tests.faults.conftest import CLASSES, HEIGHT, WIDTH, config, data, weights
from tests.faults.foreign_formats import foreign_formats
from tests.faults.format import Format
from tests.faults.mutation import damaged, restructured
from tests.networks import TinyNet, shuffle_norms

LESS = 3  # the share of formats whose reading takes a second


def formats(root: Path) -> dict[str, Format]:
    """The formats, by name; `root`: a folder for whole files. `TINY` is registered."""
    data(root / "data")
    weights(root / "first.pt", 0)
    cfg = config(root)
    parts = (_data(), _settings(), _weights(root), _run(root, cfg), artefact_formats(root), foreign_formats(root))
    return {name: one for part in parts for name, one in part.items()}


def _data() -> dict[str, Format]:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    array = io.BytesIO()
    np.save(array, pixels)
    suffixes = (".png", ".jpg", ".bmp", ".webp", ".tif", ".ppm")
    pictures = {f"a{suffix}": cv2.imencode(suffix, pixels)[1].tobytes() for suffix in suffixes}
    label = cv2.imencode(".png", pixels[..., 0] % CLASSES)[1].tobytes()
    listed = {"a.png": pictures["a.png"], "a_label.png": label, "list.txt": b"a.png a_label.png\n"}
    return {
        "picture": Format({**pictures, "a.npy": array.getvalue()}, lambda folder, name: read_image(folder / name)),
        "picture, its label and list": Format(listed, _sample),
        "list": Format({"list.txt": b'# two\nimage,label\n"a b.png",a.png\nc.png,d.png\n'}, _list),
    }


def _list(folder: Path, name: str) -> object:
    for picture in ("a b.png", "a.png", "c.png", "d.png"):
        (folder / picture).touch()
    return read_list(folder / name, [folder])


def _sample(folder: Path, _: str) -> object:
    pairs = ["DATASET.DATASET", "cityscapes", "DATASET.LABELS", "trainIds", "DATASET.NUM_CLASSES", str(CLASSES)]
    lists = ["DATASET.ROOT", str(folder), "DATASET.TRAIN_SET", "list.txt", "DATASET.TEST_SET", "list.txt"]
    return build_dataset(data_spec(load_config(None, [*pairs, *lists])), "val", InferenceTransform())[0]


def _settings() -> dict[str, Format]:
    whole = load_config("camvid/pidnet_s").dump().encode()
    descriptor = {
        "name": "mine",
        "images": "images/{split}",
        "labels": {"labelIds": "a/{split}", "trainIds": "b/{split}"},
        "splits": {"train": "train", "val": "val.txt"},
        "unlabelled": ["test"],
        "void": [9],
        "mean": [0.4, 0.4, 0.4],
        "classes": [
            {"name": "road", "id": [0, 7], "colour": [1, 2, 3], "weight": 1.0},
            {"name": "x", "id": 1, "weight": 2},
        ],
    }
    text = yaml.safe_dump(descriptor).encode()
    published = b"cfg = dict(model_type='bisenetv2', n_cats=19, lr_start=5e-2, cropsize=[512, 1024], ims_per_gpu=8)\n"
    return {
        "config": Format({"c.yaml": whole}, _configured),
        "config, another structure": Format({"c.yaml": whole}, _configured, _yaml),
        "descriptor": Format({"d.yaml": text}, _described),
        "descriptor, another structure": Format({"d.yaml": text}, _described, _yaml),
        "published config": Format({"c.py": published}, _configured),
    }


def _yaml(content: bytes, rng: Random) -> bytes:
    return yaml.safe_dump(restructured(yaml.safe_load(content), rng), allow_unicode=True).encode("utf-8", "replace")


def _configured(folder: Path, name: str) -> object:
    cfg = load_config(folder / name)
    return training_transform(cfg), plan_of(cfg), data_spec(cfg)


def _described(folder: Path, name: str) -> Descriptor:
    return read_descriptor(folder / name)


def _weights(root: Path) -> dict[str, Format]:
    torch.manual_seed(0)
    state = shuffle_norms(TinyNet(CLASSES, aux=False)).state_dict()
    save_file(state, root / "w.safetensors")
    np.savez(root / "w.npz", **{name: value.numpy() for name, value in state.items()})
    torch.save({"state_dict": state, "epoch": 3}, root / "w.pt")
    torch.save(state, root / "old.pth", _use_new_zipfile_serialization=False)
    torch.jit.trace(TinyNet(CLASSES, aux=False).eval(), torch.zeros(1, 3, HEIGHT, WIDTH)).save(str(root / "program.pt"))
    names = ("w.safetensors", "w.npz", "w.pt", "old.pth")
    onnx = root / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            TinyNet(CLASSES, aux=False).eval(), (torch.zeros(1, 3, HEIGHT, WIDTH),), str(onnx), dynamo=False
        )
    return {
        "checkpoint": Format(
            {name: (root / name).read_bytes() for name in names},
            _loaded,
        ),
        "TorchScript file as a checkpoint": Format({"program.pt": (root / "program.pt").read_bytes()}, _loaded),
        "ONNX network": Format({"net.onnx": onnx.read_bytes()}, _network),
    }


def _loaded(folder: Path, name: str) -> object:
    return load_checkpoint(TinyNet(CLASSES, aux=False), folder / name)


def _network(folder: Path, name: str) -> object:
    classes = ["DATASET.LABELS", "trainIds", "DATASET.NUM_CLASSES", str(CLASSES)]
    size = ["TEST.IMAGE_SIZE", f"{WIDTH},{HEIGHT}"]
    return build_network(load_config(None, ["MODEL.NAME", str(folder / name), *size, *classes]))


def _run(root: Path, cfg: CfgNode) -> dict[str, Format]:
    calibrate(cfg)
    evaluate(cfg, stage="calib")
    truth = evaluate(cfg, stage="int_infer").stages
    base = folders_of(cfg).base
    state = str((folders_of(cfg).stage("calib") / CHECKPOINTS["calib"]).relative_to(base))
    whole = {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.suffix == ".json"}
    older = {name: content for name, content in whole.items() if not name.endswith("evaluation.json")}

    def stages(folder: Path) -> Mapping[str, Any]:
        shutil.copytree(folder, base, dirs_exist_ok=True)
        return evaluate(cfg, stage="int_infer").stages

    def evaluated(folder: Path, _: str) -> None:
        found = stages(folder)
        _check(found, truth, found)

    def without_figures(folder: Path, _: str) -> None:
        for path in base.rglob("evaluation.json"):
            path.unlink()
        _check(stages(folder), truth, ("int_infer",))  # nobody can know damage to what an older version wrote

    return {
        "calibration state": Format(
            {state: (base / state).read_bytes()},
            lambda folder, _: (shutil.copytree(folder, base, dirs_exist_ok=True), load_stage(cfg, "calib")),
            share=LESS,
        ),
        "JSON of a run": Format({**whole, state: (base / state).read_bytes()}, evaluated, share=LESS),
        "JSON of an older run": Format(
            {**older, state: (base / state).read_bytes()}, without_figures, _json, share=LESS
        ),
    }


def _check(found: Mapping[str, Any], truth: Mapping[str, Any], stages: Iterable[str]) -> None:
    """AssertionError where a stage shows other figures than the whole files' run."""
    for stage in stages:
        assert found[stage]["mean_iou"] == truth[stage]["mean_iou"], f"{stage} shows other figures"


def _json(content: bytes, rng: Random) -> bytes:
    try:
        return json.dumps(restructured(json.loads(content), rng)).encode()
    except ValueError:  # the state
        return damaged(content, rng)
