"""What all pages share is said once, in base.css."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "qat"
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


def declarations(sheet: Path) -> set[tuple[str, str]]:
    """(selector, property: value) of all rules, those of media queries too."""
    rules = RULE.findall(sheet.read_text(encoding="utf-8"))
    return {
        (selector.strip(), " ".join(line.split()))
        for selectors, block in rules
        for selector in selectors.split(",")
        for line in block.split(";")
        if line.strip()
    }


@pytest.mark.parametrize("sheet", ["report/templates/report.css", "compile/perf/templates/perf.css"])
def test_no_page_repeats_what_all_share(sheet: str) -> None:
    own, shared = declarations(ROOT / sheet), declarations(ROOT / "html/templates/base.css")
    assert len(own) > 40
    assert own & shared == set()
