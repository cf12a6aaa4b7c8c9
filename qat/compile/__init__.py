"""The files that are handed over: int8 TorchScript, ONNX files of our own writing, pictures of the graph."""
