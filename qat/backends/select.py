"""QUANT.BACKEND auto|fx|horizon: which backend a run takes, and why."""

from __future__ import annotations

from dataclasses import dataclass

from qat.backends.fx.backend import FxBackend
from qat.backends.horizon import HorizonBackend, Options
from qat.backends.horizon.plugin import version, why_not
from qat.backends.protocol import Backend
from qat.errors import UserError

BACKENDS = (FxBackend.name, HorizonBackend.name)
TUNES = FxBackend.name  # where methods and training run, for a backend that takes over what they made


@dataclass(frozen=True)
class Choice:
    """A backend and the reason for taking it."""

    backend: Backend
    reason: str
    version: str = ""  # of the plugin

    def __str__(self) -> str:
        """The line that tools print."""
        return f"backend {self.backend.name} {self.version}".rstrip() + f": {self.reason}"

    def record(self) -> dict[str, str]:
        """What a manifest says."""
        return {"name": self.backend.name, "reason": self.reason, "version": self.version}


def choose_backend(wanted: str, target: str, options: Options) -> Choice:
    """Choose the plugin where it imports and the target is j5, else fx; or the one that QUANT.BACKEND, `wanted`, names.

    UserError for horizon on another target, or where the plugin doesn't import.
    """
    if wanted == FxBackend.name:
        return Choice(FxBackend(), "QUANT.BACKEND names it")
    if target != "j5":
        if wanted == HorizonBackend.name:
            raise UserError(f"QUANT.BACKEND horizon is for QUANT.TARGET j5, which is {target}; set QUANT.TARGET j5")
        return Choice(FxBackend(), f"QUANT.TARGET is {target}")
    missing = why_not()
    if missing is None:
        reason = "QUANT.TARGET is j5 and horizon_plugin_pytorch imports"
        return Choice(HorizonBackend(options), reason, version())
    if wanted == HorizonBackend.name:
        raise UserError(
            f"QUANT.BACKEND horizon needs horizon_plugin_pytorch, which doesn't import ({missing}); "
            "run in the vendor's Docker image, or set QUANT.BACKEND auto"
        )
    return Choice(FxBackend(), f"horizon_plugin_pytorch doesn't import ({missing})")
