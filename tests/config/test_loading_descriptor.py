"""What a config doesn't set comes from the descriptor; what it sets must not contradict that."""

from __future__ import annotations

from pathlib import Path

import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.errors import UserError
from qat.workflow.run import folders_of

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
POTHOLES = "name: potholes\nimages: images/{split}\nlabels: masks/{split}\nclasses: [road, pothole]\n"


@pytest.fixture
def potholes(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "some file.yaml"
    path.parent.mkdir()
    path.write_text(POTHOLES)
    return path


def load(*opts: object) -> CfgNode:
    return load_config(None, [str(part) for part in opts])


def error_of(*opts: object) -> str:
    with pytest.raises(UserError) as caught:
        load(*opts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("camvid", ("data/camvid", 11, "train.txt", "val.txt", "auto", MEAN, STD, None, None, None)),
        ("cityscapes", ("data/cityscapes", 19, "train", "val", "auto", MEAN, STD, None, None, None)),
        ("streets", ("data/streets", 19, "train", "val", "auto", MEAN, STD, 64, 32, 0)),
    ],
)
def test_what_is_not_set_is_the_descriptor_s(name: str, expected: tuple[object, ...]) -> None:
    data = load("DATASET.DATASET", name).DATASET
    keys = ("ROOT", "NUM_CLASSES", "TRAIN_SET", "TEST_SET", "LABELS", "MEAN", "STD")
    streets = (data.STREETS_TRAIN, data.STREETS_VAL, data.STREETS_SEED)
    assert (*(data[key] for key in keys), *streets) == expected
    assert (name, "") == (data.DATASET, data.DESCRIPTOR)


def test_a_set_key_wins_over_the_descriptor_and_that_over_the_network(potholes: Path) -> None:
    potholes.write_text(POTHOLES + "mean: [0.1, 0.2, 0.3]\nsplits: {train: day, val: night}\n")
    data = load("DATASET.DATASET", potholes, "DATASET.STD", "[0.5,0.5,0.5]", "DATASET.TEST_SET", "dusk").DATASET
    assert (data.MEAN, data.STD) == ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5])
    assert (data.TRAIN_SET, data.TEST_SET) == ("day", "dusk")
    assert load("DATASET.DATASET", potholes, "DATASET.MEAN", "None").DATASET.MEAN == [0.1, 0.2, 0.3]
    assert load("DATASET.DATASET", potholes).DATASET.STD == STD


def test_folders_take_the_descriptor_s_name(potholes: Path) -> None:
    cfg = load("DATASET.DATASET", potholes, "OUTPUT_DIR", "out", "NAME", "run")
    assert ("potholes", str(potholes)) == (cfg.DATASET.DATASET, cfg.DATASET.DESCRIPTOR)
    assert str(potholes.parent) == cfg.DATASET.ROOT
    assert folders_of(cfg).base == Path("out/potholes/run")


def test_a_name_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    for name in ("potholes", "camvid"):
        (tmp_path / "datasets" / f"{name}.yaml").write_text(POTHOLES.replace("potholes", name))
        data = load("DATASET.DATASET", name).DATASET
        assert (2, str(tmp_path / "datasets" / f"{name}.yaml")) == (data.NUM_CLASSES, data.DESCRIPTOR)


@pytest.mark.parametrize(
    "name", ["camvid/pidnet_s", "cityscapes/pidnet_l", "streets/pidnet_s", "streets/pidnet_s_train"]
)
def test_a_resolved_config_loads_again_with_the_same_result(name: str, tmp_path: Path) -> None:
    cfg = load_config(name, ["QUANT.AVERAGING_CONSTANT", "0.1", "COMPILE.INPUT_SIZE", "64,128", "GPUS", "(0,1)"])
    (tmp_path / "config.yaml").write_text(cfg.dump())
    assert load_config(tmp_path / "config.yaml") == cfg


def test_a_resolved_config_of_a_user_s_data_set_loads_again_from_anywhere(
    potholes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(potholes.parent)
    cfg = load("DATASET.DATASET", potholes.name)
    (tmp_path / "config.yaml").write_text(cfg.dump())
    monkeypatch.chdir("/")
    assert load_config(tmp_path / "config.yaml") == cfg


def test_another_number_of_classes_is_for_train_ids_of_one_s_own() -> None:
    said = (
        "DATASET.NUM_CLASSES is 34 and data set cityscapes has 19 classes; leave it out, or set DATASET.LABELS trainIds"
    )
    wrong = ("DATASET.DATASET", "cityscapes", "DATASET.NUM_CLASSES", 34)
    assert said in error_of(*wrong)
    assert said in error_of(*wrong, "DATASET.LABELS", "labelIds")
    assert load(*wrong, "DATASET.LABELS", "trainIds").DATASET.NUM_CLASSES == 34


def test_a_place_that_describes_another_data_set_is_refused(potholes: Path) -> None:
    said = error_of("DATASET.DATASET", "camvid", "DATASET.DESCRIPTOR", potholes)
    assert said.startswith(f"DATASET.DATASET is camvid and DATASET.DESCRIPTOR {potholes} describes potholes; leave")


@pytest.mark.parametrize(
    ("opts", "said"),
    [
        (("DATASET.DATASET", "camvd"), "no data set camvd"),
        (("DATASET.DATASET", "none.yaml"), "no data set none.yaml"),
        (("DATASET.NUM_CLASSES", "many"), "DATASET.NUM_CLASSES in options is 'many'; expected int, such as 19"),
        (("DATASET.NUM_CLASSES", "1.5"), "DATASET.NUM_CLASSES in options is '1.5'; expected int, such as 19"),
        (("DATASET.MEAN", "0.5"), "DATASET.MEAN in options is '0.5'; expected list, such as [0.485, 0.456, 0.406]"),
        (("DATASET.ROOT", "5"), "DATASET.ROOT in options is '5'; expected str, such as 'data/cityscapes'"),
        (("DATASET.LABELS", "trainids"), "DATASET.LABELS is 'trainids'; did you mean trainIds?"),
        (("OUTPUT_DIR", "${NO_SUCH}/out"), "OUTPUT_DIR is ${NO_SUCH}/out and NO_SUCH is not set; export NO_SUCH"),
        (("DATASET.DATASET", "${NO_SUCH}.yaml"), "DATASET.DATASET is ${NO_SUCH}.yaml and NO_SUCH is not set"),
    ],
)
def test_what_is_wrong_is_named(opts: tuple[str, ...], said: str) -> None:
    assert said in error_of(*opts)


def test_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, potholes: Path) -> None:
    monkeypatch.delenv("PIDNET_S_CAMVID", raising=False)
    assert load_config("camvid/pidnet_s").TEST.MODEL_FILE == "${PIDNET_S_CAMVID}"
    monkeypatch.setenv("PIDNET_S_CAMVID", "/some/weights.pt")
    assert load_config("camvid/pidnet_s").TEST.MODEL_FILE == "/some/weights.pt"
    monkeypatch.setenv("MINE", str(potholes.parent))
    cfg = load("DATASET.DATASET", "${MINE}/some file.yaml", "OUTPUT_DIR", "${MINE}/out", "DATASET.ROOT", "${MINE}/data")
    assert (f"{potholes.parent}/out", f"{potholes.parent}/data") == (cfg.OUTPUT_DIR, cfg.DATASET.ROOT)
    assert str(potholes) == cfg.DATASET.DESCRIPTOR
