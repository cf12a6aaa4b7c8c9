"""Links from the report to the graph's page."""

from __future__ import annotations

from urllib.parse import quote


def address(graph: str, name: str) -> str:
    """Where the layer's node is in the graph's page; "" without one."""
    return f"{graph}#node-{quote(name, safe='')}" if graph else ""
