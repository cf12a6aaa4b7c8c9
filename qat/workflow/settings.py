"""The rooms' own settings, read from a config."""

from __future__ import annotations

from yacs.config import CfgNode

from qat.backends.horizon import Options
from qat.backends.select import Choice, choose_backend
from qat.backends.spec import QuantSpec


def quant_spec(config: CfgNode) -> QuantSpec:
    """The quantisation scheme of section QUANT."""
    quant = config.QUANT
    averaging = quant.AVERAGING_CONSTANT
    return QuantSpec(
        scheme=quant.SCHEME,
        observer=quant.OBSERVER,
        weight_observer=quant.WEIGHT_OBSERVER,
        percentile=float(quant.PERCENTILE),
        averaging_constant=None if averaging is None else float(averaging),
        engine=quant.ENGINE,
        high_precision=tuple(quant.HIGH_PRECISION),
    )


def plugin_options(config: CfgNode) -> Options:
    """What Horizon's plugin is told of the device and its input."""
    data, quant, compiling = config.DATASET, config.QUANT, config.COMPILE
    batches = -(-quant.CALIB_IMAGES // quant.CALIB_BATCH_SIZE)
    return Options(tuple(data.MEAN), tuple(data.STD), compiling.MARCH, compiling.INPUT_SOURCE, batches)


def backend_choice(config: CfgNode) -> Choice:
    """The backend that QUANT.BACKEND and QUANT.TARGET give, and why."""
    return choose_backend(config.QUANT.BACKEND, config.QUANT.TARGET, plugin_options(config))
