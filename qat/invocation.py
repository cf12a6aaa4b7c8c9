"""The config and options that the user gave, so that advice repeats them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Invocation:
    """The config's path, and the KEY, VALUE, ... options after it."""

    config: str
    options: tuple[str, ...] = ()

    def make(self, target: str, more: str = "") -> str:
        """Returns the `make` line for `target` with this config, its options (without DEBUG's) and `more`.

        >>> Invocation("a.yaml", ("QUANT.SCHEME", "affine", "DEBUG.IMAGES", "8")).make("calib", "QUANT.EQUALISE True")
        'make calib CFG=a.yaml OPTS="QUANT.SCHEME affine QUANT.EQUALISE True"'
        """
        pairs = zip(self.options[::2], self.options[1::2], strict=True)
        kept = [f"{key} {value}" for key, value in pairs if not key.startswith("DEBUG.")]
        options = " ".join([*kept, more] if more else kept)
        return f"make {target} CFG={self.config}" + (f' OPTS="{options}"' if options else "")

    def command(self, *words: str) -> str:
        """Returns the `rtseg-qat` line for the same run.

        >>> Invocation("a.yaml", ("QUANT.SCHEME", "affine")).command("report", "--images", "2")
        'rtseg-qat report --images 2 -c a.yaml QUANT.SCHEME affine'
        """
        return shlex.join(["rtseg-qat", *words, "-c", self.config, *self.options])
