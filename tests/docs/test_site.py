"""`make docs` builds, and what it builds fetches nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import qat

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # builds the site
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(?:https?:)?//"
    r"|<link[^>]*rel=\"?(?:stylesheet|preconnect|icon)[^>]*href=\"?(?:https?:)?//"
    r"|@import\s+url\(\"?https?:"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(pages) > 10
    assert [path.name for path in pages if FETCHED.search(path.read_text(encoding="utf-8"))] == []


def test_the_public_api_is_all_there(site: Path) -> None:
    page = (site / "api" / "index.html").read_text(encoding="utf-8")
    aliases = {name for name in qat.__all__ if name not in qat._HOMES}
    missing = [name for name in qat.__all__ if name not in aliases and f'id="{qat._HOMES[name]}.{name}"' not in page]
    assert missing == []


def test_a_dead_link_fails(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](gone.md)\n", encoding="utf-8")
    rules = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("validation:")[1].split("markdown_extensions:")[0]
    text = f"site_name: x\nstrict: true\ntheme: {{name: material, font: false}}\nvalidation:{rules}"
    (tmp_path / "mkdocs.yml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "gone.md" in done.stderr + done.stdout
