"""Hold two folders of logits against each other: a stage's, a runtime's, or what a board dumped."""

from __future__ import annotations

import argparse
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
    parser.add_argument("--scale", type=float, default=1.0, help="what B's numbers are multiplied by")


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
