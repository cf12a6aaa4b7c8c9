"""Reconstruction: the whole quantised network is tuned to give float's logits, without labels."""

from qat.ptq.reconstruct.options import Reconstructed, ReconstructOptions
from qat.ptq.reconstruct.run import reconstruct

__all__ = ["ReconstructOptions", "Reconstructed", "reconstruct"]
