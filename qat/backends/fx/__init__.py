"""FX graph mode: prepare (observe), fake-quantise, convert to torch's int8 kernels."""

from qat.backends.fx.graph import convert, fake_quantized, float_view, frozen, observe, prepare, to_torchscript

__all__ = ["convert", "fake_quantized", "float_view", "frozen", "observe", "prepare", "to_torchscript"]
