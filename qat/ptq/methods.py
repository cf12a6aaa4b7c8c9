"""The methods that make a calibration better."""

from __future__ import annotations

METHODS = ("EQUALISE", "ADAROUND", "RECONSTRUCT", "BIAS_CORRECTION")  # QUANT's switches that tune weights
