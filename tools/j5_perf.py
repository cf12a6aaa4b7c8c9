"""Read J5's speed back: perf_model's JSON and what hrt_model_exec printed, as one table and into perf.json."""

from __future__ import annotations

from pathlib import Path

import _cli
from rich.console import Console

from qat.compile.horizon import HBM
from qat.compile.horizon_perf import merged, read_board, read_perf, table
from qat.errors import UserError
from qat.files import read_json, write_json
from qat.workflow import stages


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--perf", metavar="JSON", help="perf_model's JSON (default: the one in compile/perf_out)")
    parser.add_argument("--board", metavar="LOG", action="append", default=[], help="what hrt_model_exec printed")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    folder = stages.stage_folder(cfg, "compile")
    rows = [read_perf(Path(args.perf) if args.perf else estimate(folder)), *(read_board(Path(p)) for p in args.board)]
    Console().print(table(rows))
    path = folder / "perf.json"
    write_json(path, merged(read_json(path) if path.is_file() else {}, HBM, rows))
    print(f"written to {path}")


def estimate(folder: Path) -> Path:
    """The JSON file that perf_model wrote; its name is the network's class."""
    found = sorted((folder / "perf_out").glob("*.json"))
    if not found:
        raise UserError(f"no perf_model JSON in {folder / 'perf_out'}; run make compile, or name it with --perf")
    return found[0]


if __name__ == "__main__":
    _cli.run(main)
