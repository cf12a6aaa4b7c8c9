from __future__ import annotations

import numpy as np

from qat.data.transforms.colour import jitter

IMAGE = np.random.default_rng(0).integers(60, 180, (20, 30, 3), np.uint8)


def test_strength_zero_changes_nothing() -> None:
    np.testing.assert_array_equal(jitter(IMAGE, 0.0, np.random.default_rng(1)), IMAGE)


def test_the_change_grows_with_the_strength() -> None:
    def change(strength: float) -> float:
        pictures = [jitter(IMAGE, strength, np.random.default_rng(seed)) for seed in range(8)]
        return float(np.mean([np.abs(picture.astype(int) - IMAGE).mean() for picture in pictures]))

    assert 1 < change(0.1) < change(0.3) < change(0.6) < 100


def test_brightness_goes_both_ways() -> None:
    means = [jitter(IMAGE, 0.4, np.random.default_rng(seed)).mean() / IMAGE.mean() for seed in range(30)]
    assert min(means) < 0.8
    assert max(means) > 1.2
    assert min(means) > 0.55
    assert max(means) < 1.45


def test_grey_stays_grey_and_keeps_its_order() -> None:
    grey = np.repeat(np.linspace(50, 200, 30, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(5):
        picture = jitter(grey, 0.5, np.random.default_rng(seed)).astype(int)
        assert np.ptp(picture, axis=2).max() <= 1
        assert (np.diff(picture[0, :, 0]) >= 0).all()
