"""What is handed over: int8 TorchScript, ONNX files that we write ourselves, pictures of the graph."""
