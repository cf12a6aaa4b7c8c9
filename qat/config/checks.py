"""What a value must be, beyond its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qat.config.defaults import CHOICES
from qat.errors import UserError, nearest

AT_LEAST = {
    "WORKERS": 0,
    "PRINT_FREQ": 1,
    "DATASET.NUM_CLASSES": 1,
    "TRAIN.BATCH_SIZE_PER_GPU": 1,
    "TRAIN.END_EPOCH": 1,
    "TRAIN.EVAL_EVERY": 1,
    "TEST.BATCH_SIZE_PER_GPU": 1,
    "QUANT.CALIB_IMAGES": 1,
    "QUANT.CALIB_BATCH_SIZE": 1,
    "QUANT.SAVE_EVERY": 1,
    "QUANT.HELD_OUT_IMAGES": 1,
    "QUANT.RECONSTRUCT_STEPS": 1,
    "QAT.END_EPOCH": 0,
    "QAT.EVAL_EVERY": 0,
    "DEBUG.IMAGES": 1,
    "DEBUG.SENSITIVITY_IMAGES": 0,
    "COMPILE.JOBS": 1,
    "COMPILE.PARITY_IMAGES": 0,
    "COMPILE.BENCH_ROUNDS": 0,
}


def _numbers(value: Any, count: int) -> bool:
    return len(value) == count and all(type(part) in (int, float) for part in value)


def _is_size(value: Any) -> bool:
    return len(value) == 2 and all(type(side) is int and side > 0 for side in value)


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= 1)


def _is_weight(value: Any) -> bool:
    return 0 <= value < float("inf")


_WEIGHT = (_is_weight, "a weight from 0 (off), such as 1.0")
_SIZE = (_is_size, "width, height in pixels, such as [2048, 1024]")
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "DATASET.MEAN": (
        lambda value: _numbers(value, 3),
        "three numbers, of red, green, blue, such as [0.485, 0.456, 0.406]",
    ),
    "DATASET.STD": (
        lambda value: _numbers(value, 3) and min(value) > 0,
        "three numbers above 0, of red, green, blue, such as [0.229, 0.224, 0.225]",
    ),
    "TRAIN.IMAGE_SIZE": _SIZE,
    "TEST.IMAGE_SIZE": _SIZE,
    "COMPILE.INPUT_SIZE": (
        lambda value: len(value) == 0 or _is_size(value),
        "height, width in pixels, such as 1024,2048, or [] for TEST.IMAGE_SIZE",
    ),
    "COMPILE.OPSET": (lambda value: 13 <= value <= 21, "an ONNX operator set from 13 to 21, such as 17"),
    "QUANT.PERCENTILE": (lambda value: 50 < value <= 100, "a per cent above 50, at most 100, such as 99.99"),
    "QUANT.AVERAGING_CONSTANT": (_is_share, "None or a number from 0 to 1, such as 0.01"),
    "QUANT.MAX_DROP": (lambda value: 0 <= value < 1, "mIoU from 0 (off) to below 1, such as 0.0005"),
    "QUANT.GATE": (lambda value: 0 < value <= 1, "a share above 0, at most 1, such as 0.99"),
    "QAT.LR": (lambda value: 0 < value < 1, "a learning rate between 0 and 1, such as 0.00005"),
    "QAT.SCALE_LR": (lambda value: 0 < value < 1, "a learning rate between 0 and 1, such as 0.002"),
    "QAT.MIN_LR": (lambda value: 0 <= value < 1, "a learning rate from 0 to 1, such as 0.000001"),
    "QAT.EMA": (lambda value: 0 <= value < 1, "a decay from 0 (off) to below 1, such as 0.998"),
    "QAT.LABELS": _WEIGHT,
    "QAT.LOGITS": _WEIGHT,
    "QAT.BOUNDARY": _WEIGHT,
}


def validate(flat: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """UserError for the first value that isn't usable; both are `SECTION.KEY` to value."""
    for key, value in flat.items():
        if value is None and defaults[key] is not None:
            raise UserError(f"{key} has no value; expected {type(defaults[key]).__name__}, such as {defaults[key]!r}")
    for key, choices in CHOICES.items():
        if flat[key] not in choices:
            raise UserError(f"{key} is {flat[key]!r}; {nearest(str(flat[key]), choices)}")
    for key, least in AT_LEAST.items():
        if flat[key] < least:
            raise UserError(f"{key} is {flat[key]}; expected at least {least}")
    for key, (is_right, expected) in RULES.items():
        if not is_right(flat[key]):
            raise UserError(f"{key} is {flat[key]!r}; expected {expected}")
