"""A link between the project's own pages leads to a file, and to a heading of it; `make docs` sees only docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "datasets/README.md", "configs/README.md")
PAGES = [*(ROOT / name for name in OWN if (ROOT / name).is_file()), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def links() -> list[Any]:
    found = {
        (page, target)
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target
    }
    return [pytest.param(*one, id=f"{one[0].relative_to(ROOT)}: {one[1]}") for one in sorted(found)]


def anchors(page: Path) -> set[str]:
    """The headings of a page as they are linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "target"), links())
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    assert linked.exists()
    assert not anchor or anchor in anchors(linked)


def test_a_dead_one_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Some `make` heading, and more\n", encoding="utf-8")
    assert anchors(page) == {"some-make-heading-and-more"}
