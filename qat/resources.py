"""Where a config, a data set's descriptor or a checkpoint lies: with the user, in the checkout or in the package."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from qat.errors import UserError, close, nearest

CONFIGS, DATASETS = "configs", "datasets"
YAML = (".yaml", ".yml")
NAME = re.compile(r"[A-Za-z0-9_-]+")
_PACKAGE = Path(__file__).resolve().parent
_PROJECT = re.compile(r'^name\s*=\s*"rtseg-qat"\s*$', re.MULTILINE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find_config(name: str | Path) -> Path:
    """The YAML file of a config: a path, or a name such as camvid/pidnet_s, with or without .yaml.

    Looked for as given, then in `configs/` of the working directory, of the checkout and of the package. Raises
    UserError with what was tried.
    """
    return _find(CONFIGS, "config", str(name), as_given=True)


def find_descriptor(name: str | Path) -> Path:
    """The YAML file of a data set's descriptor: a path, or a name such as camvid.

    A name is looked for in `datasets/` of the working directory, of the checkout and of the package. Raises UserError
    with what was tried.
    """
    return _find(DATASETS, "data set", str(name), as_given=not NAME.fullmatch(str(name)))


def find_checkpoint(path: str | Path, key: str = "TEST.MODEL_FILE") -> Path:
    """The checkpoint that `key` names: as given, in the checkout, in the package; `${NAME}` is taken from outside.

    Raises UserError with what was tried.
    """
    given = Path(expand(str(path), key)).expanduser()
    tried = _distinct(base / given for base in (Path(), *_bases()))
    found = next((one for one in tried if os.path.isfile(one)), None)
    if found is None:
        advice = _likely(given, tried) or f"set {key} to a .pt, .pth or .safetensors file"
        raise UserError(f"no checkpoint at {given}{_also(tried, given)}; {advice}")
    return found


def built_in_descriptor(name: str) -> Path | None:
    """The descriptor of that name that comes with the project; None where there is none."""
    paths = (base / DATASETS / f"{name}.yaml" for base in _bases())
    return next((path for path in paths if os.path.isfile(path)), None)


def expand(text: str, key: str) -> str:
    """`text` with each `${NAME}` replaced by the environment's variable; UserError where one isn't set."""
    found = expand_set(text)
    if missing := _VARIABLE.search(found):
        raise UserError(f"{key} is {text} and {missing[1]} is not set; export {missing[1]}, or set {key} to a path")
    return found


def expand_set(text: str) -> str:
    """`text` with each `${NAME}` replaced whose variable the environment sets; the others stay as they are.

    >>> expand_set("${NO_SUCH_VARIABLE}/weights.pt")
    '${NO_SUCH_VARIABLE}/weights.pt'
    """
    return _VARIABLE.sub(lambda found: os.environ.get(found[1]) or found[0], text)


def _find(kind: str, what: str, name: str, as_given: bool) -> Path:
    given = Path(name).expanduser()
    tried = _distinct(_candidates(kind, given, as_given))
    found = next((path for path in tried if os.path.isfile(path)), None)
    if found is None:
        raise UserError(f"no {what} {name}{_also(tried, given)}; {_advice(kind, given)}")
    return found


def _candidates(kind: str, given: Path, as_given: bool) -> Iterator[Path]:
    named = given if given.suffix in YAML or not given.name else given.with_name(f"{given.name}.yaml")
    if as_given:
        yield from (given, named)
    if not given.is_absolute():
        yield from (base / kind / _below(kind, named) for base in (Path(), *_bases()))


def _below(kind: str, path: Path) -> Path:
    """`path` without a leading configs/ or datasets/."""
    return Path(*path.parts[1:]) if path.parts[:1] == (kind,) else path


def _bases() -> list[Path]:
    """The checkout, where the package lies in one, and the package's own data."""
    checkout, data = _PACKAGE.parent, _PACKAGE / "_data"
    return [checkout] * _is_checkout(checkout) + [data] * data.is_dir()


def _is_checkout(folder: Path) -> bool:
    """Whether the project is built from `folder`; a folder beside installed packages isn't one."""
    try:
        return bool(_PROJECT.search((folder / "pyproject.toml").read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def _advice(kind: str, given: Path) -> str:
    """The nearest name that can be had, or those that come with the project."""
    wrong = _below(kind, given.with_suffix("") if given.suffix in YAML else given).as_posix()
    name = close(wrong, _names(kind, [Path(), *_bases()]))
    return f"did you mean {name}?" if name else nearest("", _names(kind, _bases()))


def _names(kind: str, bases: Iterable[Path]) -> list[str]:
    """Of the YAML files below `kind`, without .yaml."""
    folders = [base / kind for base in bases]
    return sorted({path.relative_to(f).with_suffix("").as_posix() for f in folders for path in f.rglob("*.yaml")})


def _likely(given: Path, tried: Iterable[Path]) -> str:
    """The nearest file name in the folders that were tried; "" if none is near."""
    folders = [path.parent for path in tried if os.access(path.parent, os.R_OK) and path.parent.is_dir()]
    name = close(given.name, {path.name for folder in folders for path in folder.iterdir() if path.is_file()})
    return f"did you mean {given.with_name(name)}?" if name else ""


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """The first spelling of each place."""
    return list({path.absolute(): path for path in reversed(list(paths))}.values())[::-1]


def _also(tried: list[Path], given: Path) -> str:
    others = [str(path) for path in tried if path != given]
    return f" (tried {', '.join(others)} too)" if others else ""
