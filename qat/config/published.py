"""Reads BiSeNet's published config files, such as bisenetv2_city.py: one `cfg = dict(...)` of literals.

The file is parsed, never run. What it says of the network, the classes and the rates becomes keys of ours; what it says
of files, scales and iterations stays with its own code, and is named.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qat.errors import UserError

KEYS = {
    "model_type": "MODEL.NAME",
    "n_cats": "DATASET.NUM_CLASSES",
    "im_root": "DATASET.ROOT",
    "lr_start": "TRAIN.LR",
    "weight_decay": "TRAIN.WD",
    "warmup_iters": "TRAIN.WARMUP",
    "ims_per_gpu": "TRAIN.BATCH_SIZE_PER_GPU",
    "eval_ims_per_gpu": "TEST.BATCH_SIZE_PER_GPU",
}
DATASETS = {"CityScapes": "cityscapes"}
ITS_CODE = (  # what tools/train_amp.py and lib/ohem_ce_loss.py hold
    ("MODEL.ALIGN_CORNERS", False),
    ("TRAIN.OPTIMIZER", "sgd"),
    ("TRAIN.MOMENTUM", 0.9),
    ("LOSS.OHEMTHRES", 0.7),
)
OFFICIAL_LISTS = {"camvid": {"list/camvid/": "camvid_pidnet"}}  # data set -> folder of lists -> descriptor
_log = logging.getLogger(__name__)


def read_published(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields our keys and their values; UserError for a file of another form."""
    values = read_literals(path)
    yield from ITS_CODE
    yield from ((KEYS[name], value) for name, value in values.items() if name in KEYS)
    if "cropsize" in values:
        height, width = _pair(path, values["cropsize"])
        yield "TRAIN.IMAGE_SIZE", [width, height]
    if values.get("dataset") in DATASETS:
        yield "DATASET.DATASET", DATASETS[values["dataset"]]
    others = values.keys() - {*KEYS, "cropsize", *(["dataset"] if values.get("dataset") in DATASETS else [])}
    if others:
        _log.info("%s: not read, it has no key here: %s", path, ", ".join(sorted(others)))


def official_descriptor(name: str, data: Mapping[str, Any]) -> str:
    """Returns the descriptor that an official YAML file means; `name` where its lists aren't official ones.

    PIDNet's own files say `camvid` too, and mean coloured labels and another order of classes.

    >>> official_descriptor("camvid", {"TRAIN_SET": None, "TEST_SET": "list/camvid/val.lst"})
    'camvid_pidnet'
    """
    lists = [data[key] for key in ("TRAIN_SET", "TEST_SET") if data[key]]
    for folder, descriptor in OFFICIAL_LISTS.get(name, {}).items():
        if any(path.startswith(folder) for path in lists):
            _log.info("lists of %s: data set %s, whose labels are coloured and in PIDNet's order", folder, descriptor)
            return descriptor
    return name


def read_literals(path: Path) -> dict[str, Any]:
    """Returns the keywords of the file's `cfg = dict(...)`; UserError where there is none, or one is no literal."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(f"{path} is no Python file that can be read ({type(error).__name__})") from error
    calls = (_config_call(node) for node in tree.body)
    for call in filter(None, calls):
        return {keyword.arg or "**": _literal(path, keyword) for keyword in call.keywords}
    raise UserError(f"{path} has no cfg = dict(...); expected a YAML file, or a published one with cfg = dict(...)")


def _config_call(node: ast.stmt) -> ast.Call | None:
    """The call in `cfg = dict(...)`; nothing for another statement."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return None
    called, names = node.value.func, [target.id for target in node.targets if isinstance(target, ast.Name)]
    return node.value if names == ["cfg"] and isinstance(called, ast.Name) and called.id == "dict" else None


def _literal(path: Path, keyword: ast.keyword) -> Any:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        where = f"{path}:{keyword.value.lineno}"
        raise UserError(
            f"{where}: {keyword.arg or '**'} is no literal; the file isn't run, so write its value"
        ) from error


def _pair(path: Path, value: Any) -> tuple[int, int]:
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(side) is int for side in value):
        return value[0], value[1]
    raise UserError(f"{path}: cropsize is {value!r}; expected [height, width]")
