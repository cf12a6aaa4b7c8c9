"""Tables on the terminal, all in one style."""

from __future__ import annotations

from collections.abc import Container, Iterable

from rich import box
from rich.table import Table


def slim_table(
    columns: Iterable[str],
    *,
    left: Container[str],
    wraps: Container[str] = (),
    title: str | None = None,
    caption: str | None = None,
) -> Table:
    """A table without rows or a frame: columns of `left` begin at the left, all others (numbers) end at the right.

    A column of `wraps` may take several lines a row; title and caption stand at the left.
    """
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.title_justify = "left"
    table.caption_justify = "left"
    for column in columns:
        folds = column in wraps
        table.add_column(
            column,
            justify="left" if column in left else "right",
            no_wrap=not folds,
            overflow="fold" if folds else "ellipsis",
        )
    return table
