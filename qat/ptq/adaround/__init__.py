"""AdaRound: each weight goes up or down so that its layer, fed by the rounded ones before it, gives float's output.

Nagel et al. 2020, arXiv:2004.10568. Nothing is learnt by gradients here: the layer's squared error is a quadratic form
in the levels, which `descend` lowers directly. It needs one pass over a few pictures and no learning rate, ends where
hardly a step of one weight helps, and is the same every time. A ReLU behind the layer is left out of the error.
"""

from qat.ptq.adaround.layer import AdaRoundOptions, LayerReport
from qat.ptq.adaround.run import adaround, tune

__all__ = ["AdaRoundOptions", "LayerReport", "adaround", "tune"]
