"""RGB colours as float triples, and how they are picked and shaded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Colour = tuple[float, float, float]
Palette = Sequence[Colour]

BLACK: Colour = (22, 22, 25)
WHITE: Colour = (238, 238, 234)
GLASS: Colour = (58, 74, 92)
TYRE: Colour = (28, 28, 30)
CHROME: Colour = (178, 182, 188)
SKIN: Palette = ((236, 196, 166), (206, 156, 120), (150, 104, 76), (98, 66, 50))


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` times `factor`, at most 255."""
    r, g, b = colour
    return min(255.0, r * factor), min(255.0, g * factor), min(255.0, b * factor)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` (0..1) of `second`."""
    (a, b, c), (d, e, f) = first, second
    return a + (d - a) * share, b + (e - b) * share, c + (f - c) * share


def pick(rng: np.random.Generator, palette: Palette, spread: float = 14.0) -> Colour:
    """A colour of the palette with each channel moved by up to `spread`."""
    base = palette[int(rng.integers(len(palette)))]
    r, g, b = (min(255.0, max(0.0, c + d)) for c, d in zip(base, rng.uniform(-spread, spread, 3).tolist(), strict=True))
    return r, g, b
