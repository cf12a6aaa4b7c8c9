"""Logits in files, as stages and boards write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from qat.errors import UserError
from qat.evaluation.dumps import DumpForm, compare, compare_folders, mean_of

SHAPE = (5, 4, 6)


def logits(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        (folder / "city").mkdir(parents=True)
    np.save(first / "city" / "x.npy", logits())
    return first, second


def test_the_figures_are_torchs() -> None:
    one, two = logits(0), logits(1)
    found = compare("x", one.astype(np.float64), two.astype(np.float64))
    a, b = torch.from_numpy(one).double(), torch.from_numpy(two).double()
    assert found.cosine == pytest.approx(float(F.cosine_similarity(a.flatten(), b.flatten(), 0)))
    assert found.mse == pytest.approx(float(F.mse_loss(a, b)))
    assert found.l1 == pytest.approx(float(F.l1_loss(a, b)))
    kl = F.kl_div(b.log_softmax(0), a.log_softmax(0), reduction="sum", log_target=True) / (4 * 6)
    assert found.kl == pytest.approx(float(kl))
    assert found.changed == pytest.approx(float((a.argmax(0) != b.argmax(0)).double().mean()))
    assert found.sqnr == pytest.approx(float(10 * torch.log10(a.square().sum() / (a - b).square().sum())))


def test_what_a_board_dumps(tmp_path: Path) -> None:
    """int32 with a scale, the channels last and padded to eight."""
    first, second = folders(tmp_path)
    levels = np.zeros((4, 6, 8), np.int32)
    levels[..., :5] = np.round(logits().transpose(1, 2, 0) / 0.001)
    levels.tofile(second / "city" / "x.bin")
    (row,) = compare_folders(first, second, DumpForm("nhwc", 8, "int32", (0.001,)))
    assert row.name == "city/x"
    assert row.largest <= 0.0005 + 1e-9
    assert row.changed == 0
    assert mean_of([row, row]).mse == row.mse


@pytest.mark.parametrize("padded", [False, True], ids=["of the classes", "of the padded channels"])
def test_a_scale_for_each_channel(tmp_path: Path, padded: bool) -> None:
    """As the tail of a per-channel quantised network has them."""
    first, second = folders(tmp_path)
    scales = np.array([0.001, 0.002, 0.004, 0.0005, 0.003])
    levels = np.zeros((4, 6, 8), np.int32)
    levels[..., :5] = np.round(logits().transpose(1, 2, 0) / scales)
    levels.tofile(second / "city" / "x.bin")
    given = (*scales, 1.0, 1.0, 1.0) if padded else tuple(scales)
    (row,) = compare_folders(first, second, DumpForm("nhwc", 8, "int32", given))
    assert row.largest <= 0.002 + 1e-9
    assert row.cosine > 0.9999
    with pytest.raises(UserError, match=r"--scale has 2 numbers and .*x.bin 5 classes; expected one, or one a class"):
        compare_folders(first, second, DumpForm("nhwc", 8, "int32", (1.0, 2.0)))


@pytest.mark.parametrize("which", [0, 1])
def test_logits_are_finite(tmp_path: Path, which: int) -> None:
    pair = folders(tmp_path)
    np.save(pair[1] / "city" / "x.npy", logits())
    spoilt = logits()
    spoilt[0, 0, 0] = np.nan
    np.save(pair[which] / "city" / "x.npy", spoilt)
    with pytest.raises(UserError, match="holds NaN or infinity"):
        compare_folders(*pair)


def test_equal_logits_have_no_sqnr(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    np.save(second / "city" / "x.npy", logits())
    (row,) = compare_folders(first, second)
    assert (row.sqnr, row.changed, row.largest) == (None, 0.0, 0.0)
    assert row.cosine == pytest.approx(1)


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    with pytest.raises(UserError, match=r"holds no .npy or .bin file; infer --logits writes them"):
        compare_folders(first, second)
    np.save(second / "y.npy", logits())
    with pytest.raises(UserError, match=r"city/x is in one of .* only"):
        compare_folders(first, second)
    (second / "y.npy").unlink()
    np.zeros(7, np.int32).tofile(second / "city" / "x.bin")
    with pytest.raises(UserError, match=r"holds 7 values, expected 5 x 4 x 6 \(nchw, int32\); say --layout"):
        compare_folders(first, second, DumpForm(dtype="int32"))
    with pytest.raises(UserError, match="nowhere is not a folder"):
        compare_folders(first, tmp_path / "nowhere")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    np.save(second / "city" / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="can't read"):
        compare_folders(first, second)
