"""Speed of the compiled artefacts: every runtime timed in turn, beside this CPU's measured peak; writes perf.html."""

from __future__ import annotations

import shlex
import sys

import _cli
from _progress import progress_bar
from rich.console import Console

from qat.compile.perf import Settings, artefacts_of, bench, perf_table, reasons, write_report
from qat.errors import UserError
from qat.files import read_json
from qat.workflow import stages


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds, of two timed runs each (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=3, help="rounds before them (default: %(default)s)")
    args = parser.parse_intermixed_args()
    if args.rounds < 1 or args.warmup < 0:
        raise UserError(f"--rounds {args.rounds} --warmup {args.warmup}; expected at least 1 and 0")
    cfg = _cli.config(args)
    folder = stages.stage_folder(cfg, "compile")
    if not (folder / "manifest.json").is_file():
        raise UserError(f"no compiled artefacts in {folder}; run make compile with this CFG")
    manifest = read_json(folder / "manifest.json")
    artefacts = artefacts_of(manifest)
    size = [manifest["input"]["width"], manifest["input"]["height"]]
    command = shlex.join(["python", "tools/bench_runtimes.py", *sys.argv[1:]])
    settings = Settings(f"{cfg.DATASET.DATASET}/{cfg.NAME}", command, args.rounds, args.warmup)
    example = stages.example_input(cfg, size).contiguous().numpy()
    with progress_bar("bench", settings.total) as advance:
        report = bench(folder, artefacts, example, settings, lambda: advance(1))
    write_report(report, folder)
    Console().print(perf_table(report))
    print("\n".join([*reasons(report), f"written: {folder / 'perf.html'}, perf.json, machine.json, layers.json"]))


if __name__ == "__main__":
    _cli.run(main)
