"""Cross-layer equalisation: move factors between a channel's makers and its readers, so that channels fill their grid.

Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction, ICCV 2019 (arXiv:1906.04721).
"""

from qat.ptq.equalise.run import Equalisation, equalize, tune

__all__ = ["Equalisation", "equalize", "tune"]
