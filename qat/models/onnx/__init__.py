"""A float ONNX file as a network: its nodes run as torch's layers and functions, by a table of operators."""

from qat.models.onnx.file import InputSpec
from qat.models.onnx.network import OnnxNetwork, read_network

__all__ = ["InputSpec", "OnnxNetwork", "read_network"]
