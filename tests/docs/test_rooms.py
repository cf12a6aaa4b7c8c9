"""The picture of the rooms is that of the contracts."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_picture_has_each_room_from_top_to_ground() -> None:
    (listed,) = re.findall(r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    *layers, _ground = re.findall(r'"(.+)"', listed)
    rooms = [f"qat.{room.strip(' ()')}" for layer in layers for room in layer.split(":")]
    drawn = re.findall(r"qat\.\w+", (ROOT / "docs" / "images" / "rooms.svg").read_text())
    assert drawn[: len(rooms)] == rooms
