"""The layers as a backend's own tools compare them, beside our layer errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from qat.backends.protocol import LayerSimilarity
from qat.tables import slim_table

SHOWN = 10  # rows a stage


def similarity_table(theirs: Sequence[LayerSimilarity], layers: Mapping[str, Any], stage: str) -> Table:
    """The layers of `stage` that are furthest from the stage before it, by their tools and by ours.

    Args:
        theirs: of all stages.
        layers: what layers.json holds.
        stage: calib or int_infer.

    Returns:
        A table; ours is empty where no layer of our graph has the name.
    """
    pair = layers["pairs"].get(stage, {"layers": ()})
    ours = {row["name"]: row for row in pair["layers"]}
    table = slim_table(
        ("layer", "SQNR:\ntheirs", "ours", "largest\nsteps:\ntheirs", "ours", "same\ninput"),
        left=("layer",),
        title=f"By the plugin's tools, {stage}: worst first",
    )
    found = [row for row in theirs if row.stage == stage]
    for row in sorted(found, key=lambda row: row.sqnr_db)[:SHOWN]:
        own = ours.get(row.layer, {"accumulated": {}})["accumulated"]
        figures = (row.sqnr_db, own.get("sqnr_db"), row.largest, own.get("max_steps"), row.alone)
        table.add_row(row.name, *("" if value is None else f"{value:.1f}" for value in figures))
    return table
