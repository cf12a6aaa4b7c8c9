"""Figures as the report spells them: true minus signs, fixed digits, a dash where nothing was measured."""

from __future__ import annotations

NOTHING = "–"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A share, 0 to 1, in percent without its sign.

    >>> percent(0.65623), percent(0.00483, 3), percent(None)
    ('65.62', '0.483', '–')
    """
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f}"


def points(change: float | None, digits: int = 2) -> str:
    """A change of a share in points, signed.

    >>> points(-0.00164), points(0.0047), points(-0.00000001)
    ('−0.16', '+0.47', '0.00')
    """
    if change is None:
        return NOTHING
    text = f"{100 * change:+.{digits}f}"
    return text[1:] if not float(text) else text.replace("-", "−")


def number(value: float | None, digits: int = 3) -> str:
    """`value` with `digits` significant ones, never in powers of ten between 0.0001 and a million.

    >>> number(-12.3456), number(0.5), number(123), number(None), number(1234.5), number(3e-7)
    ('−12.3', '0.500', '123', '–', '1234', '3.00e−07')
    """
    if value is None:
        return NOTHING
    plain = 1000 <= abs(value) < 1e6
    return (f"{value:.0f}" if plain else f"{value:#.{digits}g}".rstrip(".")).replace("-", "−")


def decibels(value: float | None, equal: str = NOTHING) -> str:
    """A signal-to-noise ratio in dB; `equal` where there is no noise at all.

    >>> decibels(28.38), decibels(None, "equal")
    ('28.4', 'equal')
    """
    return equal if value is None else f"{value:.1f}".replace("-", "−")


def megabytes(size: int | None) -> str:
    """Bytes in millions.

    >>> megabytes(7959447)
    '8.0'
    """
    return NOTHING if size is None else f"{size / 1e6:.1f}"
