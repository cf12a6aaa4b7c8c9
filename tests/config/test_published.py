"""BiSeNet's .py configs are parsed and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.config import load_config
from qat.errors import UserError

TEXT = """
## a published config
cfg = dict(
    model_type='bisenetv2',
    n_cats=19,
    num_aux_heads=4,
    lr_start=5e-3,
    weight_decay=5e-4,
    warmup_iters=1000,
    max_iter=150000,
    dataset='CityScapes',
    im_root='./data/city',
    cropsize=[512, 1024],
    ims_per_gpu=8,
)
"""


def config_file(folder: Path, text: str) -> Path:
    path = folder / "bisenetv2_city.py"
    path.write_text(text)
    return path


def test_its_values_become_keys(tmp_path: Path) -> None:
    config = load_config(config_file(tmp_path, TEXT))
    assert (config.NAME, config.MODEL.NAME, config.MODEL.ALIGN_CORNERS) == ("bisenetv2_city", "bisenetv2", False)
    assert (config.DATASET.DATASET, config.DATASET.NUM_CLASSES, config.DATASET.ROOT) == (
        "cityscapes",
        19,
        "./data/city",
    )
    assert config.DATASET.MEAN == [0.3257, 0.3690, 0.3223]
    train = config.TRAIN
    assert (train.LR, train.WD, train.WARMUP, train.BATCH_SIZE_PER_GPU) == (0.005, 0.0005, 1000, 8)
    assert train.IMAGE_SIZE == [1024, 512]


def test_options_come_after_it(tmp_path: Path) -> None:
    assert load_config(config_file(tmp_path, TEXT), ["TRAIN.LR", "0.1"]).TRAIN.LR == 0.1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_cats=19", "n_cats=__import__('os').mkdir('ran')", r"bisenetv2_city\.py:5: n_cats is no literal"),
        ("cfg = dict(", "config = dict(", r"has no cfg = dict"),
        ("cropsize=[512, 1024]", "cropsize=512", r"cropsize is 512; expected \[height, width\]"),
        ("cfg = dict(", "cfg = dict((", r"is no Python file that can be read \(SyntaxError\)"),
        ("n_cats=19", "n_cats='many'", r"DATASET.NUM_CLASSES in .* is 'many'; expected int"),
    ],
)
def test_another_form_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load_config(config_file(tmp_path, TEXT.replace(old, new)))
    assert not Path("ran").exists()
