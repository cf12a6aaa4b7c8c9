"""Which data set a run was made from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from yacs.config import CfgNode

from qat.config import load_config
from qat.data.augmentation import TrainingTransform
from qat.stages import origin_of
from qat.workflow.measuring import float_logits
from qat.workflow.run import run_of
from qat.workflow.settings import DESCRIPTOR, data_spec, training_transform

CAMVID = "name: camvid\nlike: camvid\n"


def config(*opts: str) -> CfgNode:
    return load_config("streets/pidnet_s", ["OUTPUT_DIR", "nowhere", *opts])


def made_from(cfg: CfgNode) -> dict[str, object]:
    return dict(origin_of(run_of(cfg), "float").values)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text(CAMVID)
    return tmp_path / "own.yaml"


def test_a_stage_is_made_from_the_descriptor_s_content_not_its_place(own: Path) -> None:
    built_in, first = made_from(config("DATASET.DATASET", "camvid")), made_from(config("DATASET.DATASET", str(own)))
    assert built_in == first
    own.write_text(CAMVID + "void: []\n")
    changed = origin_of(run_of(config("DATASET.DATASET", str(own))), "float")
    difference = changed.difference(first)
    assert difference is not None
    assert difference.name == DESCRIPTOR


def test_an_older_record_was_made_from_the_built_in_descriptor_of_its_name(own: Path) -> None:
    cfg = config("DATASET.DATASET", "camvid")
    old = {key: value for key, value in made_from(cfg).items() if key != DESCRIPTOR}
    assert origin_of(run_of(cfg), "float").difference(old) is None
    own.write_text(CAMVID + "void: []\n")
    assert origin_of(run_of(config("DATASET.DATASET", str(own))), "float").difference(old) is not None


def test_float_s_logits_of_an_older_run_are_still_its_own(own: Path) -> None:
    cfg = config("DATASET.DATASET", "camvid")
    newer = (DESCRIPTOR, "TEST.FIT")  # which records lacked
    older = json.dumps({key: value for key, value in made_from(cfg).items() if key not in newer})
    assert float_logits(cfg).key == hashlib.sha256(older.encode()).hexdigest()
    own.write_text(CAMVID + "void: []\n")
    assert float_logits(config("DATASET.DATASET", str(own))).key != float_logits(cfg).key


def test_the_data_set_s_settings() -> None:
    spec = data_spec(config("DATASET.STREETS_SEED", "7", "TRAIN.SEED", "5", "DATASET.TEST_SET", "few.txt"))
    assert (spec.descriptor.name, spec.root) == ("streets", "data/streets")
    assert spec.subsets == {"train": "train", "val": "few.txt"}
    assert spec.streets is not None
    assert (spec.streets.train, spec.streets.val, spec.streets.seed, spec.seed) == (64, 32, 7, 5)
    assert data_spec(config("DATASET.DATASET", "cityscapes")).streets is None


def test_the_transform_s_settings() -> None:
    given = "TRAIN.IMAGE_SIZE 100,50 TRAIN.COLOR 0.2 TRAIN.FLIP False DATASET.MEAN 0.5,0.5,0.5 TRAIN.BASE_SIZE 2048"
    mean, std = (0.5, 0.5, 0.5), (0.229, 0.224, 0.225)
    expected = TrainingTransform((100, 50), 2048, 16, mean, std, multi_scale=True, flip=False, color=0.2)
    assert training_transform(config(*given.split())) == expected
