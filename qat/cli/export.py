"""Write a checkpoint as a small file of tensors (.safetensors, .npz), or a network as a float or int8 ONNX file."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--weights", help="checkpoint to read (default: the run's best.safetensors; TEST.MODEL_FILE)")
    parser.add_argument("--output", required=True, help="file to write: .safetensors, .npz for numpy, or .onnx")
    parser.add_argument("--stage", default="float", help="of an ONNX file: float (default) or calib, in int8")
    parser.add_argument("--opset", type=int, help="operator set: 11 to 21, of int8 from 13 on (default: COMPILE.OPSET)")
    parser.add_argument("--inputs", default="", help="name of the file's input (default: image)")
    parser.add_argument("--outputs", default="", help="names of its outputs, such as out0,out1")
    parser.add_argument("--dynamic-batch", action="store_true", help="the file takes any number of pictures")
    parser.add_argument("--aux-mode", default="eval", help="eval (logits), train (every head) or pred (classes, int32)")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Export."""
    from qat.workflow.exporting import OnnxOptions, export

    names = {key: tuple(name for name in getattr(args, key).split(",") if name) for key in ("inputs", "outputs")}
    options = OnnxOptions(args.stage, args.opset, **names, dynamic_batch=args.dynamic_batch, aux_mode=args.aux_mode)
    done = export(config, out.progress, output=args.output, weights=args.weights, options=options)
    out.result(done, *done.lines)
