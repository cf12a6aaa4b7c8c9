"""README and docs: marked code runs as it stands there, every command's page tells the truth about its arguments."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from qat.cli.main import COMMANDS, module_of, parser_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKED = r"<!-- a test {} this -->\n```python\n(.*?)```"


def blocks(verb: str) -> list[Any]:
    """Code blocks that are marked so, each called by its page and number."""
    found = ((page, re.findall(MARKED.format(verb), page.read_text(encoding="utf-8"), re.DOTALL)) for page in PAGES)
    return [pytest.param(code, id=f"{page.stem}-{i}") for page, codes in found for i, code in enumerate(codes)]


@pytest.mark.parametrize("code", blocks("runs"))
def test_marked_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(code, names)
    tensors = [value for value in names.values() if isinstance(value, torch.Tensor)]
    assert all(torch.isfinite(tensor).all() for tensor in tensors)


def test_the_library_page_ends_with_a_file_and_int8_that_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(next(block.values[0] for block in blocks("runs") if block.id == "library-0"), names)
    assert (tmp_path / "network.onnx").is_file()
    assert names["written"].tensors_compared > 2
    assert names["changed"] < 0.05


@pytest.mark.parametrize("code", blocks("compiles"))
def test_marked_code_compiles_and_what_it_imports_is_there(code: str) -> None:
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            exec(ast.unparse(statement), {})


def console_lines() -> list[Any]:
    """Every `rtseg-qat ...` line of a code block."""
    lines = {
        (page.stem, line.split("#")[0].strip().removeprefix("$ "))
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"(    |\$ )rtseg-qat [a-z]", line)
    }
    return [pytest.param(line, id=f"{page}: {line}") for page, line in sorted(lines)]


@pytest.mark.parametrize("line", console_lines())
def test_a_command_line_has_arguments_that_the_command_takes(line: str) -> None:
    command, *arguments = shlex.split(line)[1:]
    parsed = parser_of(command, import_module(module_of(command))).parse_intermixed_args(arguments)
    assert len(parsed.opts) % 2 == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_page_names_each_argument_and_shows_an_example(command: str) -> None:
    page = (ROOT / "docs" / "commands" / f"{command}.md").read_text(encoding="utf-8")
    module = import_module(module_of(command))
    own = [action for action in parser_of(command, module)._actions if action.option_strings]
    shared = {"--help", "--cfg", "--run", "--json"}
    assert f"$ rtseg-qat {command}" in page
    for action in own:
        name = action.option_strings[-1]
        assert name in shared or f"`{name}`" in page, f"{command}.md doesn't name {name}"
