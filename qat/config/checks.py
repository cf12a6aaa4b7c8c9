"""Checks of values beyond their type: the words that a key takes, bounds and rules.

Most words stand in the room that reads them; it is imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from qat.errors import UserError, nearest
from qat.ptq.methods import all_keys

AT_LEAST = {
    "WORKERS": 0,
    "PRINT_FREQ": 1,
    "MODEL.NUM_OUTPUTS": 1,
    "LOSS.OHEMKEEP": 1,
    "DATASET.NUM_CLASSES": 1,
    "DATASET.STREETS_TRAIN": 0,
    "DATASET.STREETS_VAL": 0,
    "DATASET.STREETS_SEED": 0,
    "TRAIN.BASE_SIZE": 1,
    "TRAIN.SCALE_FACTOR": 0,
    "TRAIN.WARMUP": 0,
    "TRAIN.BATCH_SIZE_PER_GPU": 1,
    "TRAIN.END_EPOCH": 1,
    "TRAIN.EVAL_EVERY": 1,
    "TRAIN.SEED": 0,
    "TEST.BASE_SIZE": 1,
    "TEST.BATCH_SIZE_PER_GPU": 1,
    "TEST.NUM_IMAGES": 0,
    "QUANT.CALIB_IMAGES": 1,
    "QUANT.CALIB_BATCH_SIZE": 1,
    "QUANT.SAVE_EVERY": 1,
    "QUANT.HELD_OUT_IMAGES": 1,
    "QAT.END_EPOCH": 0,
    "QAT.EVAL_EVERY": 0,
    "DEBUG.IMAGES": 1,
    "DEBUG.SENSITIVITY_IMAGES": 0,
    "COMPILE.JOBS": 1,
    "COMPILE.MNN_OPTIMIZE": 1,
    "COMPILE.MNN_WEIGHT_BITS": 2,
    "COMPILE.PARITY_IMAGES": 0,
    "COMPILE.BENCH_ROUNDS": 0,
    **{f"QUANT.{key.name}": key.least for key in all_keys() if key.least is not None},
}
MOST = 2**31 - 1  # of keys without another bound
AT_MOST = {
    "WORKERS": 256,
    "DATASET.NUM_CLASSES": 255,
    "DATASET.STREETS_TRAIN": 10**6,
    "DATASET.STREETS_VAL": 10**6,
    "TRAIN.BASE_SIZE": 2**15,
    "TRAIN.SCALE_FACTOR": 100,
    "TEST.BASE_SIZE": 2**15,
    "COMPILE.MNN_OPTIMIZE": 2,
    "COMPILE.MNN_WEIGHT_BITS": 8,
}
_ROWS = {  # words, and `module:NAME` for all words that a table has
    "DATASET.LABELS": ("qat.data.encodings:LABELS",),
    "TRAIN.OPTIMIZER": ("qat.training.optim:OPTIMIZERS",),
    "TRAIN.AMP": ("none", "bf16"),
    "MODEL.TASK": ("qat.models.own_tasks:OWN_TASKS",),
    "TEST.FIT": ("qat.data.fit:MODES",),
    "QUANT.TARGET": ("qat.targets:TARGETS",),
    "QUANT.BACKEND": ("auto", "qat.backends.select:BACKENDS"),
    "QUANT.SCHEME": ("qat.backends.spec:SCHEMES",),
    "QUANT.OBSERVER": ("qat.observers.ranges:RANGES", "auto"),
    "QUANT.FROM": ("auto", "qat.stages:CHECKPOINTS"),
    "QUANT.WEIGHT_OBSERVER": ("qat.observers.weights:METHODS",),
    "QUANT.ENGINE": ("auto", "qat.engine:ENGINES", "program"),
    "QAT.SCALES": ("auto", "frozen", "learnt"),
    "QAT.EQUALISE": ("auto", "never"),
    "COMPILE.INPUT": ("qat.compile.onnx.io_spec:ELEMENT",),
    "COMPILE.OUTPUT": ("qat.compile.onnx.writer:NAMES",),
    "COMPILE.RUNTIME": ("qat.runtimes:NAMES",),
    "COMPILE.MARCH": ("qat.backends.horizon.march:MARCHES",),
    "COMPILE.INPUT_SOURCE": ("qat.backends.horizon.build:SOURCES",),
    "COMPILE.OPT": ("qat.backends.horizon.build:OPTS",),
}


MOST_CHANNELS = 16  # of pictures
_LONGEST_SIDE = 2**15  # of a picture

REFUSED = {"COMPILE.MARCH": ("nash", "qat.backends.horizon.march:NASH")}  # part of a word, and why
NUMBERED = {"COMPILE.OPT": {str(level): f"O{level}" for level in range(4)}}  # words that numbers stand for
_LONGEST_NAME = 200  # bytes; file systems take 255, and a folder aside has a longer name


def _numbers(value: Any, count: int) -> bool:
    return len(value) == count and all(type(part) in (int, float) for part in value)


def _per_channel(value: Any) -> bool:
    return 1 <= len(value) <= MOST_CHANNELS and _numbers(value, len(value))


def _is_size(value: Any) -> bool:
    return len(value) == 2 and all(type(side) is int and 0 < side <= _LONGEST_SIDE for side in value)


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= 1)


def _is_folder(value: str) -> bool:
    plain = value.strip() not in ("", ".", "..") and value.isprintable()
    return plain and not {"/", "\\"} & {*value} and len(value.encode()) <= _LONGEST_NAME


def _is_weight(value: float) -> bool:
    return 0 <= value < float("inf")


_WEIGHT = (_is_weight, "a weight from 0 (off), such as 1.0")
_SIZE = (_is_size, f"width, height in pixels, at most {_LONGEST_SIDE}, such as [2048, 1024]")
_DECAY = (lambda value: 0 <= value < 1, "a decay from 0 (off) to below 1, such as 0.998")
_RATE = (lambda value: 0 < value < 1, "a learning rate between 0 and 1, such as 0.002")
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "NAME": (_is_folder, "the name of a folder, at most 200 bytes and without /, such as pidnet_s"),
    "MODEL.OUTPUT": (
        lambda value: value is None or (type(value) in (int, str) and value != ""),
        "an index, a key or an attribute's name, such as 0 or logits",
    ),
    "LOSS.OHEMTHRES": (lambda value: 0 < value <= 1, "a probability above 0, at most 1, such as 0.9"),
    "LOSS.BALANCE_WEIGHTS": (
        lambda value: _numbers(value, 2) and min(value) >= 0,
        "two weights from 0, of the auxiliary head and the main one, such as [0.4, 1.0]",
    ),
    "LOSS.SB_WEIGHTS": _WEIGHT,
    "DATASET.MEAN": (
        lambda value: _per_channel(value) and min(value) >= 0 and max(value) <= 1,
        "a number from 0 to 1 (of 0 to 255, a 255th) for each channel, such as [0.485, 0.456, 0.406]",
    ),
    "DATASET.STD": (
        lambda value: _per_channel(value) and min(value) > 0 and max(value) <= 1,
        "a number above 0, at most 1 (of 0 to 255, a 255th), for each channel, such as [0.229, 0.224, 0.225]",
    ),
    "TRAIN.IMAGE_SIZE": _SIZE,
    "TRAIN.COLOR": (lambda value: 0 <= value <= 10, "a strength from 0 (off) to 10, such as 0.2"),
    "TRAIN.LR": (lambda value: 0 < value < float("inf"), "a learning rate above 0, such as 0.01"),
    "TRAIN.LR_POWER": (_is_weight, "an exponent from 0, such as 0.9"),
    "TRAIN.MOMENTUM": (lambda value: 0 <= value < 1, "a momentum from 0 to below 1, such as 0.9"),
    "TRAIN.WD": (_is_weight, "a weight decay from 0 (off), such as 0.0005"),
    "TRAIN.EMA": _DECAY,
    "TRAIN.BN_MOMENTUM": (_is_share, "None or a number from 0 to 1, such as 0.1"),
    "TEST.IMAGE_SIZE": _SIZE,
    "COMPILE.INPUT_SIZE": (
        lambda value: len(value) == 0 or _is_size(value),
        "height, width in pixels, such as 1024,2048, or [] for TEST.IMAGE_SIZE",
    ),
    "QUANT.PERCENTILE": (lambda value: 50 < value <= 100, "a per cent above 50, at most 100, such as 99.99"),
    "QUANT.AVERAGING_CONSTANT": (_is_share, "None or a number from 0 to 1, such as 0.01"),
    "QUANT.GATE": (lambda value: 0 < value <= 1, "a share above 0, at most 1, such as 0.99"),
    "QAT.LR": _RATE,
    "QAT.SCALE_LR": _RATE,
    "QAT.MIN_LR": (lambda value: 0 <= value < 1, "a learning rate from 0 to 1, such as 0.000001"),
    "QAT.EMA": _DECAY,
    "QAT.LABELS": _WEIGHT,
    "QAT.LOGITS": _WEIGHT,
    "QAT.BOUNDARY": _WEIGHT,
    **{f"QUANT.{key.name}": key.valid for key in all_keys() if key.valid},
}


def validate(flat: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raises UserError for the first wrong value; both map `SECTION.KEY` to a value, None if it isn't set."""
    for key, value in flat.items():
        if value is None and defaults[key] is not None:
            raise UserError(f"{key} has no value; expected {type(defaults[key]).__name__}, such as {defaults[key]!r}")
    _check_words({key: flat[key] for key in CHOICES if flat[key] != defaults[key]})
    for key, least in AT_LEAST.items():
        if flat[key] is not None and flat[key] < least:
            raise UserError(f"{key} is {flat[key]}; expected at least {least}")
        if flat[key] is not None and flat[key] > (most := AT_MOST.get(key, MOST)):
            raise UserError(f"{key} is {flat[key]}; expected at most {most}")
    _check_levels(flat)
    for key, (is_right, expected) in RULES.items():
        if not is_right(flat[key]):
            raise UserError(f"{key} is {flat[key]!r}; expected {expected}")
    if flat["COMPILE.OPSET"] != defaults["COMPILE.OPSET"]:
        _check_opset(flat["COMPILE.OPSET"], opsets())


def _check_levels(flat: Mapping[str, Any]) -> None:
    """Raises UserError for a mean and deviation of 0 to 255, as mmsegmentation writes them, and for unlike lengths."""
    mean, std = flat["DATASET.MEAN"], flat["DATASET.STD"]
    for key, value in (("DATASET.MEAN", mean), ("DATASET.STD", std)):
        if _per_channel(value) and min(value) >= 0 and 1 < max(value) <= 255:
            shares = [round(part / 255, 4) for part in value]
            raise UserError(f"{key} is {list(value)}; expected {RULES[key][1]}; these are levels of 0 to 255: {shares}")
    if _per_channel(mean) and _per_channel(std) and len(mean) != len(std):
        raise UserError(
            f"DATASET.MEAN has {len(mean)} numbers and DATASET.STD {len(std)}; expected one a channel in both"
        )


def _check_words(chosen: Mapping[str, Any]) -> None:
    """Raises UserError for a word that a key doesn't take. `chosen`: the values that differ from the defaults."""
    for key, value in chosen.items():
        if value not in CHOICES[key]:
            word, why = REFUSED.get(key, ("", ""))
            if word and word in str(value):
                raise UserError(f"{key} is {value!r}; {_table(why)}")
            raise UserError(f"{key} is {value!r}; {nearest(str(value), CHOICES[key])}")


def _check_opset(value: int, known: range) -> None:
    if value not in known:
        expected = f"an ONNX operator set from {known[0]} to {known[-1]}, such as 17"
        raise UserError(f"COMPILE.OPSET is {value}; expected {expected}")


class _Choices(Mapping[str, tuple[str, ...]]):
    """Maps a key to its words."""

    def __getitem__(self, key: str) -> tuple[str, ...]:
        words = ([word] if ":" not in word else _table(word) for word in _ROWS[key])
        return tuple(word for some in words for word in some)

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


CHOICES: Mapping[str, tuple[str, ...]] = _Choices()


def opsets() -> range:
    """The ONNX operator sets that can be written."""
    versions: range = _table("qat.compile.onnx.writer:OPSETS")
    return versions


def _table(name: str) -> Any:
    module, _, table = name.partition(":")
    words: Iterable[Any] = getattr(import_module(module), table)
    return words
