"""Show what a config's network or a file (.onnx, a checkpoint) is: ends, parameters, MACs, opset, how quantised."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qat.cli.output import Output

if TYPE_CHECKING:
    from rich.table import Table

    from qat.compile.onnx_file import Shown

TAKES_CONFIG = False  # its argument names one, or a file


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("what", help="a config's name or path, an .onnx file, or a checkpoint")
    parser.add_argument("--layers", action="store_true", help="every layer, not the sums alone")


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Show it."""
    from qat.workflow.run import open_config
    from qat.workflow.showing import show_config, show_file

    named = Path(args.what)
    is_file = named.suffix in SUFFIXES or (named.suffix not in CONFIGS and named.is_file())
    shown = show_file(args.what) if is_file else show_config(open_config(args.what, None, args.opts))
    out.result(shown, *lines(shown), *([layer_table(shown)] if args.layers else []))


SUFFIXES = (".onnx", ".pt", ".pth", ".safetensors", ".npz", ".pkl")
CONFIGS = (".yaml", ".yml", ".py")


def lines(shown: Shown) -> list[str]:
    """The facts, the ends and the sums."""
    rows = [*shown.facts.items(), *shown.inputs.items()] + [
        (f"-> {name}", text) for name, text in shown.outputs.items()
    ]
    return [shown.title, *(f"  {name}: {text}" for name, text in rows), *_sums(shown)]


def _sums(shown: Shown) -> list[str]:
    """Of a graph its layers and their work; of a checkpoint, which has no graph, its tensors."""
    if not shown.inputs:
        return [f"  {len(shown.layers)} tensors, {shown.parameters:,} values"] if shown.layers else []
    return [f"  {len(shown.layers)} layers, {shown.parameters:,} parameters, {shown.macs / 1e6:,.1f} MMACs"]


def layer_table(shown: Shown) -> Table:
    """A row a layer."""
    from qat.tables import slim_table

    table = slim_table(("layer", "computes", "output", "parameters", "MMACs"), left=("layer", "computes", "output"))
    for layer in shown.layers:
        macs = f"{layer.macs / 1e6:.2f}" if layer.macs else ""
        table.add_row(layer.name, layer.op, layer.shape, f"{layer.parameters:,}" if layer.parameters else "", macs)
    return table
