"""One resolver, in a checkout and in an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qat import resources
from qat.errors import UserError
from qat.resources import built_in_descriptor, expand, expand_set, find_checkpoint, find_config, find_descriptor

PROJECT = Path(resources.__file__).resolve().parent.parent
WEIGHTS = "assets/pidnet_s_streets.safetensors"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name", ["camvid/pidnet_s", "camvid/pidnet_s.yaml", "configs/camvid/pidnet_s", "configs/camvid/pidnet_s.yaml"]
)
def test_a_config_of_the_checkout_is_found_from_anywhere(name: str) -> None:
    assert find_config(name) == PROJECT / "configs/camvid/pidnet_s.yaml"


@pytest.mark.parametrize("name", ["camvid/pidnet_s", "configs/camvid/pidnet_s.yaml"])
def test_the_user_s_own_configs_folder_wins(name: str) -> None:
    write(Path("configs/camvid/pidnet_s.yaml"))
    assert find_config(name) == Path("configs/camvid/pidnet_s.yaml")


@pytest.mark.parametrize(("file", "name"), [("mine.yaml", "mine"), ("a/mine.yaml", "a/mine.yaml"), ("mine", "mine")])
def test_a_path_as_given_wins(file: str, name: str) -> None:
    write(Path("configs", file))
    write(Path(file))
    assert find_config(name) == Path(file)
    assert find_config(Path(name).absolute()) == Path(file).absolute()


def test_the_home_folder_s_sign_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert write(tmp_path / "mine.yaml") == find_config("~/mine.yaml")
    assert write(tmp_path / "w.pt") == find_checkpoint("~/w.pt")


def test_a_descriptor_by_name_or_by_path() -> None:
    assert find_descriptor("camvid") == PROJECT / "datasets/camvid.yaml" == built_in_descriptor("camvid")
    assert find_descriptor(write(Path("some/where.yaml"))) == Path("some/where.yaml")
    assert built_in_descriptor("where") is None
    write(Path("datasets/camvid.yaml"))
    assert find_descriptor("camvid") == Path("datasets/camvid.yaml")
    assert built_in_descriptor("camvid") == PROJECT / "datasets/camvid.yaml"


def test_a_name_is_no_path() -> None:
    """A config that is called like a data set isn't one."""
    write(Path("camvid.yaml"))
    write(Path("camvid"))
    assert find_descriptor("camvid") == PROJECT / "datasets/camvid.yaml"
    assert find_descriptor("camvid.yaml") == Path("camvid.yaml")


def test_a_checkpoint_as_given_else_in_the_checkout() -> None:
    assert find_checkpoint(WEIGHTS) == PROJECT / WEIGHTS
    write(Path(WEIGHTS))
    assert find_checkpoint(WEIGHTS) == Path(WEIGHTS)


@pytest.mark.parametrize(
    ("find", "name", "said"),
    [
        (find_config, "camvid/pidnet_x", "no config camvid/pidnet_x (tried camvid/pidnet_x.yaml, configs/camvid/"),
        (find_config, "configs/camvid/pidnet_x.yaml", "did you mean camvid/pidnet_s?"),
        (find_config, "qqq", "expected one of: camvid/pidnet_s, cityscapes/"),
        (find_config, "", "expected one of: camvid/pidnet_s"),
        (find_config, "a" * 300, "expected one of: camvid/pidnet_s"),
        (find_descriptor, "camvd", "no data set camvd (tried datasets/camvd.yaml"),
        (find_descriptor, "camvd", "did you mean camvid?"),
        (find_descriptor, "some/camvid.yaml", "no data set some/camvid.yaml"),
        (find_checkpoint, "assets/pidnet_s_street.safetensors", f"did you mean {WEIGHTS}?"),
        (find_checkpoint, "none.pt", "no checkpoint at none.pt (tried "),
        (find_checkpoint, "none.pt", "; set TEST.MODEL_FILE to a .pt, .pth or .safetensors file"),
        (find_checkpoint, "/", "no checkpoint at /; set TEST.MODEL_FILE"),
    ],
)
def test_what_was_tried_is_said_and_what_is_near(find: object, name: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        find(name)  # type: ignore[operator]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(UserError, match=r"^no checkpoint at none\.pt; set TEST"):
        find_checkpoint("none.pt")


def test_names_of_variables_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_WEIGHTS", str(tmp_path))
    monkeypatch.delenv("NO_WEIGHTS", raising=False)
    assert write(tmp_path / "w.pt") == find_checkpoint("${MY_WEIGHTS}/w.pt")
    assert expand_set("${MY_WEIGHTS}/${NO_WEIGHTS}/$HOME") == f"{tmp_path}/${{NO_WEIGHTS}}/$HOME"
    for empty in (False, True):
        if empty:
            monkeypatch.setenv("NO_WEIGHTS", "")
        with pytest.raises(UserError) as caught:
            expand("${NO_WEIGHTS}", "TEST.MODEL_FILE")
        advice = "export NO_WEIGHTS, or set TEST.MODEL_FILE to a path"
        assert str(caught.value) == f"TEST.MODEL_FILE is ${{NO_WEIGHTS}} and NO_WEIGHTS is not set; {advice}"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """site-packages with the package, its data and a stranger's `configs` and `datasets` beside it."""
    site = tmp_path / "site-packages"
    for name in ("__init__", "errors", "resources", "version"):
        write(site / "qat" / f"{name}.py", (PROJECT / "qat" / f"{name}.py").read_text())
    for name in ("configs/streets/mini.yaml", "datasets/streets.yaml", "assets/mini.pt"):
        write(site / "qat" / "_data" / name)
    for name in ("configs/theirs.yaml", "datasets/theirs.yaml", "datasets/streets.yaml", "assets/theirs.pt"):
        write(site / name)
    return site


def ask(site: Path, call: str) -> str:
    """What an installed `qat.resources` answers, in a process of its own."""
    code = f"from qat.resources import *\ntry: print({call})\nexcept UserError as error: print(error)"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("find_config('streets/mini')", "configs/streets/mini.yaml"),
        ("find_config('configs/streets/mini.yaml')", "configs/streets/mini.yaml"),
        ("find_descriptor('streets')", "datasets/streets.yaml"),
        ("built_in_descriptor('streets')", "datasets/streets.yaml"),
        ("find_checkpoint('assets/mini.pt')", "assets/mini.pt"),
    ],
)
def test_an_installed_package_finds_its_own_data(installed: Path, call: str, found: str) -> None:
    assert ask(installed, call) == str(installed / "qat" / "_data" / found)


@pytest.mark.parametrize(
    "call", ["find_config('theirs')", "find_descriptor('theirs')", "find_checkpoint('assets/theirs.pt')"]
)
def test_folders_beside_an_installed_package_are_a_stranger_s(installed: Path, call: str) -> None:
    said = ask(installed, call)
    assert said.startswith("no ")
    assert str(installed / "configs") not in said
    write(installed / "pyproject.toml", '[project]\nname = "theirs"\n')
    assert ask(installed, call) == said


def test_an_installed_package_prefers_the_user_s_files(installed: Path) -> None:
    write(Path("configs/streets/mini.yaml"))
    assert ask(installed, "find_config('streets/mini')") == "configs/streets/mini.yaml"


def test_the_resolver_needs_neither_torch_nor_yaml() -> None:
    code = "import sys, qat.resources; print({'torch', 'yaml', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
