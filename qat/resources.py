"""Finds a config, a data set's descriptor or a checkpoint: with the user, in the checkout or in the package."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from qat.errors import UserError, close, nearest

CONFIGS, DATASETS, BASELINES = "configs", "datasets", "baselines"
YAML = (".yaml", ".yml")
NAME = re.compile(r"[A-Za-z0-9_-]+")
_PACKAGE = Path(__file__).resolve().parent
_PROJECT = re.compile(r'^name\s*=\s*"rtseg-qat"\s*$', re.MULTILINE)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find_config(name: str | Path) -> Path:
    """Returns the YAML file of a config: a path, or a name such as camvid/pidnet_s, with or without .yaml.

    It tries the path itself, then `configs/` of the working directory, of the checkout and of the package. The
    UserError lists what was tried.
    """
    return _find(CONFIGS, "config", str(name), as_given=True)


def find_descriptor(name: str | Path) -> Path:
    """Returns the YAML file of a data set's descriptor: a path, or a name such as camvid.

    It looks for a name in `datasets/` of the working directory, of the checkout and of the package. The UserError lists
    what was tried.
    """
    return _find(DATASETS, "data set", str(name), as_given=not NAME.fullmatch(str(name)))


def find_baseline(name: str | Path) -> Path:
    """Returns the YAML file of a baseline: a path, or a name such as streets/pidnet_s; as `find_config`."""
    return _find(BASELINES, "baseline", str(name), as_given=True)


def find_checkpoint(path: str | Path, key: str = "TEST.MODEL_FILE") -> Path:
    """Returns the checkpoint that `key` names: the path itself, or in the checkout or the package.

    `${NAME}` is the environment's variable. The UserError lists what was tried.
    """
    wanted = Path(expand(str(path), key)).expanduser()
    tried = _distinct(base / wanted for base in (Path(), *_bases()))
    checkpoint = next((candidate for candidate in tried if os.path.isfile(candidate)), None)
    if checkpoint is None:
        advice = _likely(wanted, tried) or f"set {key} to a .pt, .pth or .safetensors file"
        raise UserError(f"no checkpoint at {wanted}{_also(tried, wanted)}; {advice}")
    return checkpoint


def in_checkout() -> bool:
    """Whether the package lies in the project's checkout; a folder beside installed packages isn't one."""
    try:
        return bool(_PROJECT.search((_PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def built_in_descriptor(name: str) -> Path | None:
    """The descriptor of that name that comes with the project; None where there is none."""
    paths = (base / DATASETS / f"{name}.yaml" for base in _bases())
    return next((path for path in paths if os.path.isfile(path)), None)


def expand(text: str, key: str) -> str:
    """`text` with each `${NAME}` replaced by the environment's variable; UserError where one isn't set."""
    expanded = expand_set(text)
    if missing := _VARIABLE.search(expanded):
        raise UserError(f"{key} is {text} and {missing[1]} is not set; export {missing[1]}, or set {key} to a path")
    return expanded


def expand_set(text: str) -> str:
    """`text` with each `${NAME}` replaced whose variable the environment sets; the others stay as they are.

    >>> expand_set("${NO_SUCH_VARIABLE}/weights.pt")
    '${NO_SUCH_VARIABLE}/weights.pt'
    """
    return _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[0], text)


def _find(kind: str, what: str, name: str, as_given: bool) -> Path:
    wanted = Path(name).expanduser()
    tried = _distinct(_candidates(kind, wanted, as_given))
    file = next((path for path in tried if os.path.isfile(path)), None)
    if file is None:
        raise UserError(f"no {what} {name}{_also(tried, wanted)}; {_advice(kind, wanted)}")
    return file


def _candidates(kind: str, wanted: Path, as_given: bool) -> Iterator[Path]:
    named = wanted if wanted.suffix in YAML or not wanted.name else wanted.with_name(f"{wanted.name}.yaml")
    if as_given:
        yield from (wanted, named)
    if not wanted.is_absolute():
        yield from (base / kind / _below(kind, named) for base in (Path(), *_bases()))


def _below(kind: str, path: Path) -> Path:
    """`path` without a leading configs/ or datasets/."""
    return Path(*path.parts[1:]) if path.parts[:1] == (kind,) else path


def _bases() -> list[Path]:
    """The checkout, where the package lies in one, and the package's own data."""
    checkout, data = _PACKAGE.parent, _PACKAGE / "_data"
    return [checkout] * in_checkout() + [data] * data.is_dir()


def _advice(kind: str, wanted: Path) -> str:
    """Returns the nearest name that exists, or the names that come with the project."""
    wrong = _below(kind, wanted.with_suffix("") if wanted.suffix in YAML else wanted).as_posix()
    name = close(wrong, _names(kind, [Path(), *_bases()]))
    return f"did you mean {name}?" if name else nearest("", _names(kind, _bases()))


def _names(kind: str, bases: Iterable[Path]) -> list[str]:
    """Returns the names of the YAML files below `kind`, without .yaml."""
    folders = [base / kind for base in bases]
    return sorted({path.relative_to(f).with_suffix("").as_posix() for f in folders for path in f.rglob("*.yaml")})


def _likely(wanted: Path, tried: Iterable[Path]) -> str:
    """Returns the path with the nearest file name in the folders that were tried; "" if none is near."""
    folders = [path.parent for path in tried if os.access(path.parent, os.R_OK) and path.parent.is_dir()]
    name = close(wanted.name, {path.name for folder in folders for path in folder.iterdir() if path.is_file()})
    return f"did you mean {wanted.with_name(name)}?" if name else ""


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Drops paths that are the same place as an earlier one."""
    return list({path.absolute(): path for path in reversed(list(paths))}.values())[::-1]


def _also(tried: list[Path], wanted: Path) -> str:
    more = [str(path) for path in tried if path != wanted]
    return f" (tried {', '.join(more)} too)" if more else ""
