"""Advice names `make` in a checkout and `rtseg-qat` where the package is installed; nothing else names either."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from qat import invocation, resources
from qat.cli.main import COMMANDS, module_of, parser_of
from qat.invocation import Invocation, command, setting

PACKAGE = Path(resources.__file__).resolve().parent
MAKEFILE = (PACKAGE.parent / "Makefile").read_text(encoding="utf-8")
TYPED = re.compile(rf"\bmake ({'|'.join(COMMANDS)})\b|\b(STAGE|RUNTIME|TARGET|INPUT|OPTS)=")
CALLS: list[tuple[Any, str, str]] = [
    (("calib",), "make calib", "rtseg-qat calib"),
    (("eval", {"stage": "int_infer"}), "make eval STAGE=int_infer", "rtseg-qat eval --stage int_infer"),
    (("eval", {"stage": ""}), "make eval", "rtseg-qat eval"),
    (("check", {"target": "j5"}), "make check TARGET=j5", "rtseg-qat check QUANT.TARGET j5"),
    (
        ("eval", {"stage": "compiled", "runtime": "ort"}, "x.yaml", ("A", "B")),
        'make eval STAGE=compiled RUNTIME=ort CFG=x.yaml OPTS="A B"',
        "rtseg-qat eval --stage compiled -c x.yaml COMPILE.RUNTIME ort A B",
    ),
    (
        ("infer", {"stage": "float", "input": "a.png"}, "x.yaml"),
        "make infer STAGE=float INPUT=a.png CFG=x.yaml",
        "rtseg-qat infer --stage float --input a.png -c x.yaml",
    ),
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as pip installs it, without a checkout."""
    monkeypatch.setattr(invocation, "in_checkout", lambda: False)


def line(name: str, settings: dict[str, str] | None = None, config: str = "", options: tuple[str, ...] = ()) -> str:
    return command(name, config, options, **(settings or {}))


@pytest.mark.parametrize(("call", "make", "script"), CALLS)
def test_a_checkout_has_make(call: Any, make: str, script: str) -> None:
    assert line(*call) == make


@pytest.mark.parametrize(("call", "make", "script"), CALLS)
def test_an_installed_package_has_its_script(installed: None, call: Any, make: str, script: str) -> None:
    assert line(*call) == script
    _, name, *arguments = shlex.split(script)
    parsed = parser_of(name, import_module(module_of(name))).parse_intermixed_args(arguments)
    assert len(parsed.opts) % 2 == 0


def test_a_shell_reads_the_script_s_line_back(installed: None) -> None:
    typed = Invocation("my nets/a.yaml", ("TEST.IMAGE_SIZE", "[256, 64]", "DEBUG.IMAGES", "8")).advice(
        "eval", ("QUANT.ENGINE", "x86"), stage="int_infer"
    )
    words = ["rtseg-qat", "eval", "--stage", "int_infer", "-c", "my nets/a.yaml"]
    assert shlex.split(typed) == [*words, "TEST.IMAGE_SIZE", "[256, 64]", "QUANT.ENGINE", "x86"]


def test_a_setting_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert setting("runtime", "ort") == "RUNTIME=ort"
    monkeypatch.setattr(invocation, "in_checkout", lambda: False)
    assert setting("runtime", "ort") == "COMPILE.RUNTIME ort"


def test_a_setting_that_the_makefile_lacks_is_no_setting() -> None:
    for name in invocation._SETTINGS:
        assert re.search(rf"^{name.upper()}\s+\?=", MAKEFILE, re.MULTILINE)


def called() -> set[str]:
    """The commands that the package advises, from its source and templates."""
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*") if path.suffix in (".py", ".j2")]
    return {name for text in sources for name in re.findall(r"""\bcommand\(\s*["']([a-z-]+)["']""", text)}


def test_every_command_that_is_advised_exists_in_both_forms() -> None:
    assert {"calib", "compile", "debug", "eval"} <= called()
    assert called() <= set(COMMANDS)
    assert {name for name in called() if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)} == set()


def texts(path: Path) -> list[str]:
    """A template's text, or a module's strings without docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".j2":
        return [text]
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    ignored = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and _has_text(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored
    ]


def _has_text(node: Any) -> bool:
    return bool(node.body) and isinstance(node.body[0], ast.Expr)


def test_no_other_text_names_a_target_of_the_makefile() -> None:
    """After `pip install`, about thirty messages advised a Makefile that wasn't there."""
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".j2")]
    wrong = {f"{path.name}: {text.strip()}" for path in files for text in texts(path) if TYPED.search(text)}
    assert wrong == set()
    assert TYPED.search("run make calib again")
    assert TYPED.search("use RUNTIME=ort")


def test_help_names_no_makefile_and_no_script_of_a_checkout() -> None:
    for name in COMMANDS:
        shown = parser_of(name, import_module(module_of(name))).format_help()
        assert not re.search(r"\bmake [a-z]+`|tools/", shown), name
