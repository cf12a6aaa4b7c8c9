"""ONNX files of a program: one spelling for each runtime."""
