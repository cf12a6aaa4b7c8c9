"""How a command is typed, for advice: `make` in a checkout, `rtseg-qat` where the package is installed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qat.resources import in_checkout

_SETTINGS = {  # a variable of the Makefile, in small letters -> the option or key of `rtseg-qat`
    "stage": "--stage",
    "input": "--input",
    "target": "QUANT.TARGET",
    "runtime": "COMPILE.RUNTIME",
}


def command(name: str, config: str = "", options: Iterable[str] = (), **settings: str) -> str:
    """Returns the line that runs command `name`; `options`: KEY, VALUE, ... and `settings`: the Makefile's variables.

    What is empty is left out.

    >>> command("eval", "a.yaml", ("TEST.NUM_IMAGES", "8"), stage="compiled", runtime="ort")
    'make eval STAGE=compiled RUNTIME=ort CFG=a.yaml OPTS="TEST.NUM_IMAGES 8"'
    """
    given = {key: value for key, value in settings.items() if value}
    return (_make if in_checkout() else _script)(name, config, list(options), given)


def setting(name: str, value: str) -> str:
    """Returns one of `command`'s settings alone.

    >>> setting("runtime", "torchscript")
    'RUNTIME=torchscript'
    """
    return f"{name.upper()}={value}" if in_checkout() else shlex.join([_SETTINGS[name], value])


def _make(name: str, config: str, options: list[str], settings: Mapping[str, str]) -> str:
    variables = {key.upper(): value for key, value in settings.items()}
    if config:
        variables["CFG"] = config
    if options:
        variables["OPTS"] = f'"{" ".join(options)}"'
    return " ".join(["make", name, *(f"{key}={value}" for key, value in variables.items())])


def _script(name: str, config: str, options: list[str], settings: Mapping[str, str]) -> str:
    named = [(_SETTINGS[key], value) for key, value in settings.items()]
    own = [word for pair in named if pair[0].startswith("--") for word in pair]
    keys = [word for pair in named if not pair[0].startswith("--") for word in pair]
    return shlex.join(["rtseg-qat", name, *own, *(["-c", config] if config else []), *keys, *options])


@dataclass(frozen=True)
class Invocation:
    """The config and options that the user gave, so that advice repeats them.

    `config`: its path. `options`: KEY, VALUE, ...
    """

    config: str
    options: tuple[str, ...] = ()

    def advice(self, name: str, more: Iterable[str] = (), **settings: str) -> str:
        """Returns `command` with this config, its options (without DEBUG's) and `more` KEY, VALUE, ...

        >>> named = Invocation("a.yaml", ("QUANT.SCHEME", "affine", "DEBUG.IMAGES", "8"))
        >>> named.advice("calib", ("QUANT.EQUALISE", "True"))
        'make calib CFG=a.yaml OPTS="QUANT.SCHEME affine QUANT.EQUALISE True"'
        """
        pairs = zip(self.options[::2], self.options[1::2], strict=True)
        kept = [word for pair in pairs if not pair[0].startswith("DEBUG.") for word in pair]
        return command(name, self.config, [*kept, *more], **settings)

    def command(self, *words: str) -> str:
        """Returns the `rtseg-qat` line for the same run.

        >>> Invocation("a.yaml", ("QUANT.SCHEME", "affine")).command("report", "--images", "2")
        'rtseg-qat report --images 2 -c a.yaml QUANT.SCHEME affine'
        """
        return shlex.join(["rtseg-qat", *words, "-c", self.config, *self.options])
