from __future__ import annotations

from pathlib import Path

import pytest

from qat.config import default_config, load_config
from qat.errors import UserError

FOLDER = Path(__file__).resolve().parents[2] / "configs"
OFFICIAL = """
CUDNN: {BENCHMARK: true, DETERMINISTIC: false, ENABLED: true}
GPUS: (0,1)
OUTPUT_DIR: 'output'
LOG_DIR: 'log'
WORKERS: 6
PRINT_FREQ: 10
DATASET:
  DATASET: cityscapes
  ROOT: data/
  TEST_SET: 'list/cityscapes/val.lst'
  TRAIN_SET: 'list/cityscapes/train.lst'
  NUM_CLASSES: 19
MODEL:
  NAME: pidnet_small
  NUM_OUTPUTS: 2
  PRETRAINED: "pretrained_models/imagenet/PIDNet_S_ImageNet.pth.tar"
LOSS: {USE_OHEM: true, OHEMTHRES: 0.9, OHEMKEEP: 131072, BALANCE_WEIGHTS: [0.4, 1.0], SB_WEIGHTS: 1.0}
TRAIN:
  IMAGE_SIZE:
  - 1024
  - 1024
  BASE_SIZE: 2048
  BATCH_SIZE_PER_GPU: 6
  SHUFFLE: true
  BEGIN_EPOCH: 0
  END_EPOCH: 484
  RESUME: true
  OPTIMIZER: sgd
  LR: 0.01
  WD: 0.0005
  MOMENTUM: 0.9
  NESTEROV: false
  FLIP: true
  MULTI_SCALE: true
  IGNORE_LABEL: 255
  SCALE_FACTOR: 16
TEST:
  IMAGE_SIZE:
  - 2048
  - 1024
  BASE_SIZE: 2048
  BATCH_SIZE_PER_GPU: 6
  FLIP_TEST: false
  MULTI_SCALE: false
  MODEL_FILE: 'pretrained_models/cityscapes/PIDNet_S_Cityscapes_val.pt'
  OUTPUT_INDEX: 1
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def error_of(path: Path | None, *opts: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(path, opts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_file_every_key_has_its_default() -> None:
    cfg, expected = load_config(None), default_config()
    expected.NAME = "pidnet_s"
    for name, value in cfg.DATASET.items():
        if expected.DATASET[name] is None:
            expected.DATASET[name] = value
    expected.TEST.FIT = "pad"
    assert cfg == expected


def test_a_default_is_a_fresh_copy() -> None:
    default_config().TRAIN.IMAGE_SIZE[0] = 1
    default_config().QUANT.TARGET = "j5"
    assert default_config().TRAIN.IMAGE_SIZE == [1024, 1024]
    assert default_config().QUANT.TARGET == "x86"


def test_options_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "TRAIN: {LR: 0.5, WD: 0.25}")
    train = load_config(path, ["TRAIN.WD", "0.125"]).TRAIN
    assert (train.LR, train.WD, train.MOMENTUM) == (0.5, 0.125, 0.9)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("TRAIN.IMAGE_SIZE", "512,256", [512, 256]),
        ("TRAIN.LR", "1e-3", 0.001),
        ("TRAIN.LR", "1", 1.0),
        ("QUANT.PERCENTILE", "100", 100.0),
        ("QUANT.AVERAGING_CONSTANT", "0.01", 0.01),
        ("QUANT.AVERAGING_CONSTANT", "None", None),
        ("QUANT.HIGH_PRECISION", "['spp', 'dfm']", ["spp", "dfm"]),
        ("TEST.OUTPUT_INDEX", "-1", -1),
        ("MODEL.PRETRAINED", "", ""),
        ("DATASET.ROOT", "a b/c", "a b/c"),
        ("WORKERS", "0", 0),
    ],
)
def test_an_option_s_text_becomes_a_value(key: str, text: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    cfg = load_config(None, [key, text])
    got = (cfg[section] if section else cfg)[name]
    assert got == value
    assert type(got) is type(value)


def test_whole_numbers_and_exponents_of_a_file_are_floats_where_floats_belong(tmp_path: Path) -> None:
    cfg = load_config(write(tmp_path, "TRAIN: {LR: 1, WD: 5e-4}"))
    assert (cfg.TRAIN.LR, cfg.TRAIN.WD) == (1.0, 0.0005)
    assert isinstance(cfg.TRAIN.LR, float)


def test_the_name_is_the_file_s_stem_unless_it_is_set(tmp_path: Path) -> None:
    path = write(tmp_path, "WORKERS: 1", "night.yaml")
    assert load_config(path).NAME == "night"
    assert load_config(path, ["NAME", "dawn"]).NAME == "dawn"
    assert load_config(None, ["MODEL.NAME", "pidnet_l"]).NAME == "pidnet_l"


def test_a_loaded_config_is_frozen() -> None:
    cfg = load_config(None)
    with pytest.raises(AttributeError):
        cfg.TRAIN.LR = 0.5


@pytest.mark.parametrize("name", sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")))
def test_every_config_of_the_project_loads(name: str) -> None:
    assert Path(name).stem == load_config(FOLDER / name).NAME


def test_an_official_pidnet_file_loads_unchanged(tmp_path: Path) -> None:
    cfg = load_config(write(tmp_path, OFFICIAL, "pidnet_small_cityscapes.yaml"))
    assert cfg.GPUS == (0, 1)
    assert cfg.MODEL.NAME == "pidnet_small"
    assert (cfg.LOSS.OHEMKEEP, cfg.LOSS.BALANCE_WEIGHTS, cfg.TRAIN.IGNORE_LABEL) == (131072, [0.4, 1.0], 255)
    assert (cfg.TRAIN.IMAGE_SIZE, cfg.TEST.IMAGE_SIZE, cfg.TEST.OUTPUT_INDEX) == ([1024, 1024], [2048, 1024], 1)


@pytest.mark.parametrize(
    ("opts", "expected"),
    [
        (["QUANT.SCHEM", "affine"], "unknown key QUANT.SCHEM in options; did you mean QUANT.SCHEME?"),
        (["QAUNT.SCHEME", "affine"], "unknown key QAUNT.SCHEME in options; did you mean QUANT.SCHEME?"),
        (["MODEL", "x"], "unknown key MODEL in options; expected one of: MODEL.NAME, MODEL."),
        (["DEBUG.QQQQQQQQ", "1"], "; expected one of: DEBUG.IMAGES, DEBUG.SENSITIVITY_IMAGES, DEBUG.LAYERS"),
        (["zzz", "1"], "unknown key zzz in options; expected one of: "),
        (["TRAIN.LR", "fast"], "TRAIN.LR in options is 'fast'; expected float, such as 0.01"),
        (["WORKERS", "1.5"], "WORKERS in options is '1.5'; expected int, such as 2"),
        (["TRAIN.FLIP", "false"], "TRAIN.FLIP in options is 'false'; expected bool, such as True"),
        (["TRAIN.IMAGE_SIZE", "{[]: 1}"], "TRAIN.IMAGE_SIZE in options is '{[]: 1}'; expected list"),
        (["WORKERS", "None"], "WORKERS has no value; expected int, such as 2"),
        (["QUANT.TARGET", "x68"], "QUANT.TARGET is 'x68'; did you mean x86?"),
        (["QUANT.OBSERVER", "zzz"], "QUANT.OBSERVER is 'zzz'; expected one of: min_max, percentile, mse"),
        (["QUANT.TARGET", "j5", "QUANT.SCHEME"], "options come as KEY VALUE pairs; QUANT.SCHEME has no value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_names_itself_and_what_is_right(opts: list[str], expected: str) -> None:
    assert expected in error_of(None, *opts)


@pytest.mark.parametrize(("key", "count"), [("zzz", 20), ("DEBUG.QQQQQQQQ", 3), ("QQQQQQQQ.RRRRRR", 20)])
def test_an_unknown_key_is_answered_by_few_names(key: str, count: int) -> None:
    """It was answered by every key, about 120."""
    expected = error_of(None, key, "1").rpartition("expected one of: ")[2]
    assert 0 < len(expected.split(", ")) <= count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("QAUNT:\n  SCHEME: affine", "unknown key QAUNT.SCHEME in {path}; did you mean QUANT.SCHEME?"),
        ("DEVICE: {KIND: cpu}", "unknown key DEVICE.KIND in {path}"),
        ("MODEL:\n", "unknown key MODEL in {path}"),
        ("1: 2", "unknown key 1 in {path}"),
        ("- MODEL", "{path} holds no keys; expected a YAML mapping"),
        ("", "{path} holds no keys; expected a YAML mapping"),
        ("MODEL: [", "{path} is not valid YAML"),
        ("NAME: 2024-13-45", "{path} is not valid YAML"),
        ("WORKERS: two", "WORKERS in {path} is 'two'; expected int, such as 2"),
        ("WORKERS:", "WORKERS has no value; expected int, such as 2"),
        ("TRAIN: {LR: true}", "TRAIN.LR in {path} is True; expected float, such as 0.01"),
    ],
    ids=lambda value: value.replace("\n", " "),
)
def test_a_wrong_file_names_itself_and_what_is_right(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)
    assert expected.format(path=path) in error_of(path)


def test_a_file_that_is_missing_a_folder_or_binary(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\xd8")
    assert f"no config {tmp_path / 'none.yaml'}; expected one of: camvid/pidnet_s" in error_of(tmp_path / "none.yaml")
    assert f"no config {tmp_path} (tried " in error_of(tmp_path)
    assert f"{binary} is not valid YAML" in error_of(binary)


@pytest.mark.parametrize("given", ["{width: 32}", "{'width': 32}"])
def test_an_option_gives_a_mapping_whole(given: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("MODEL: {NAME: 'net.py:build', KWARGS: {depth: {a: [1, 2]}}, OUTPUT: out}\n")
    assert load_config(path).MODEL.KWARGS == {"depth": {"a": [1, 2]}}
    config = load_config(path, ["MODEL.KWARGS", given, "MODEL.OUTPUT", "1"])
    assert (config.MODEL.KWARGS, config.MODEL.OUTPUT) == ({"width": 32}, 1)
    path.write_text(config.dump())
    assert load_config(path) == config
