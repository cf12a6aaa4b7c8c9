"""README and docs: no code block is left out. Python runs or compiles, YAML is read, a make line has its target."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from qat.config import load_config
from qat.data.descriptor_file import read_descriptor
from qat.resources import find_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "datasets/README.md")),
    *(ROOT / "docs").rglob("*.md"),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"<!-- a test (runs|compiles) this -->\n```python\n")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z]+) *\??=", MAKEFILE, re.MULTILINE))
CONFIGS = {
    "MODEL",
    "DATASET",
    "TEST",
    "TRAIN",
    "QUANT",
    "QAT",
    "COMPILE",
    "DEBUG",
}  # sections that a config begins with


def fenced(language: str) -> list[Any]:
    """Each fenced block of `language`, called by its page and number."""
    found = ((page, FENCE.findall(page.read_text(encoding="utf-8"))) for page in sorted(PAGES))
    return [
        pytest.param(page, code, id=f"{page.relative_to(ROOT)}-{i}")
        for page, blocks in found
        for i, (kind, code) in enumerate(blocks)
        if kind == language
    ]


def make_lines() -> list[Any]:
    """Each `make ...` of a code block or between backticks that stands with its arguments."""
    lines: set[tuple[str, str]] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^(?: {4}|\$ )(make [a-z].*)$", text, re.MULTILINE)
        lines |= {
            (page.name, line.split("  #")[0].strip()) for line in [*blocks, *re.findall(r"`(make [a-z][^`]*)`", text)]
        }
    return [pytest.param(line, id=f"{page}: {line}") for page, line in sorted(lines)]


def test_every_language_has_a_test() -> None:
    languages = {kind for page in PAGES for kind, _ in FENCE.findall(page.read_text(encoding="utf-8"))}
    assert languages <= {"", "python", "yaml"}  # "": what a command prints


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_python_is_marked(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(MARK.findall(text)) == text.count("```python\n")


@pytest.mark.parametrize(("page", "code"), fenced("yaml"))
def test_yaml_is_a_descriptor_or_a_config(
    page: Path, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "block.yaml"
    file.write_text(code, encoding="utf-8")
    content = yaml.safe_load(code)
    if set(content) & CONFIGS:
        _with_its_neighbours(page, content, tmp_path)
        config = load_config(file)  # which refuses a key that isn't there, and a value that can't be
        assert all(key in config[section] for section in content for key in content[section])
    else:
        descriptor = read_descriptor(file)
        assert [one.name for one in descriptor.classes] == [one["name"] for one in content["classes"]]


def _with_its_neighbours(page: Path, content: dict[str, Any], folder: Path) -> None:
    """Writes the descriptor, and the network, that a config names from the page's own blocks."""
    name = content.get("DATASET", {}).get("DATASET")
    described = [code for _, code in FENCE.findall(page.read_text(encoding="utf-8")) if code.startswith("name:")]
    if name and described:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(described[0], encoding="utf-8")
    network = content.get("MODEL", {}).get("NAME", "").partition(":")[0]
    if network.endswith(".py"):
        codes = [code for kind, code in FENCE.findall(page.read_text(encoding="utf-8")) if kind == "python"]
        (folder / network).write_text(codes[0], encoding="utf-8")


@pytest.mark.parametrize("line", make_lines())
def test_a_make_line_names_a_target_and_what_it_takes(line: str) -> None:
    words = [word.strip("[]") for word in shlex.split(line.replace("\\|", "|").replace("$(", "("))][1:]
    settings = [word for word in words if "=" in word]
    assert set(words) - set(settings) <= TARGETS
    for name, _, value in (word.partition("=") for word in settings):
        assert name in VARIABLES
        if name == "CFG" and value != "...":
            assert find_config(value).is_file()
        if name == "OPTS" and value != "...":
            assert len(shlex.split(value)) % 2 == 0
