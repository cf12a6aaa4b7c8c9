"""Hold two folders of logits against each other: a stage's, a runtime's, or what a board dumped."""

from __future__ import annotations

import argparse
import math
from typing import Any

from qat.cli.output import Output

LAYOUTS, DTYPES = ("nchw", "nhwc"), ("float32", "int32", "int16", "int8")  # qat.evaluation.dumps'


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("first", metavar="A", help="the reference: .npy files of infer --logits")
    parser.add_argument("second", metavar="B", help="the other folder: files of the same names, .npy or .bin")
    parser.add_argument("--layout", choices=LAYOUTS, default="nchw", help="of B (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=0, help="of B with those that pad (default: A's)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of B's .bin files (default: %(default)s)")
    scale = "what B's numbers are multiplied by; one for all, or one a channel: 0.001,0.002"
    parser.add_argument("--scale", type=scales, default=(1.0,), help=scale)


def scales(text: str) -> tuple[float, ...]:
    """The numbers of --scale.

    >>> scales("0.5,0.25")
    (0.5, 0.25)
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < scale < math.inf for scale in found):
        raise argparse.ArgumentTypeError(f"{text!r}; expected numbers above 0, such as 0.001 or 0.001,0.002")
    return found


def run(config: Any, args: argparse.Namespace, out: Output) -> None:
    """Compare."""
    from qat.evaluation.dumps import DumpForm
    from qat.tables import slim_table
    from qat.workflow.dump_comparison import compare

    form = DumpForm(args.layout, args.channels, args.dtype, args.scale)
    found = compare(config, out.progress, first=args.first, second=args.second, form=form)
    columns = ("picture", "cosine", "MSE", "L1", "KL", "SQNR dB", "largest", "classes %")
    table = slim_table(columns, left=("picture",))
    for row in (*found.rows, found.mean):
        sqnr = "equal" if row.sqnr is None else f"{row.sqnr:.1f}"
        figures = (f"{value:.4g}" for value in (row.mse, row.l1, row.kl))
        table.add_row(row.name, f"{row.cosine:.6f}", *figures, sqnr, f"{row.largest:.4g}", f"{100 * row.changed:.3f}")
    out.result(found, table)
