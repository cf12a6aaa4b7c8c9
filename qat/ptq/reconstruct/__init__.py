"""Reconstruction: the whole quantised network is tuned to give float's logits, without labels."""

from qat.ptq.reconstruct.learner import Reconstructed, ReconstructOptions
from qat.ptq.reconstruct.run import reconstruct, tune

__all__ = ["ReconstructOptions", "Reconstructed", "reconstruct", "tune"]
