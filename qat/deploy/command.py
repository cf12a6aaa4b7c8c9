"""The command line where torch isn't: a file, pictures in, pictures out, and its speed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from qat.deploy.bench import Speed, bench, bench_lines, thread_counts
from qat.deploy.model import STEPS, Model, open_model
from qat.deploy.pictures import Picture, find_pictures, read_picture, write_picture
from qat.deploy.sessions import ROWS
from qat.errors import UserError


def main(argv: Sequence[str]) -> int:
    """Run: 0, or 2 for a user's mistake, which is one line."""
    args = _parser().parse_args(argv)
    try:
        return _bench(args) if args.bench else _draw(args)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qat.deploy", description=__doc__)
    parser.add_argument("model", type=Path, help="a file of rtseg-qat compile or export")
    parser.add_argument("input", type=Path, nargs="?", help="a picture, or a folder of pictures")
    parser.add_argument("--output", type=Path, default=Path("deployed"), help="the folder to write to (%(default)s)")
    parser.add_argument("--runtime", default="", help=f"{', '.join(ROWS)}; by default the first that takes the file")
    parser.add_argument("--device", default="", help="of the runtime, such as CUDA; by default the CPU")
    parser.add_argument("--threads", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--bench", action="store_true", help="time the network on 1, 2, 4 and 8 threads")
    parser.add_argument("--rounds", type=int, default=20, help="timed runs of each (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _draw(args: argparse.Namespace) -> int:
    if args.input is None:
        raise UserError("no input; give a picture or a folder behind the model, or --bench")
    paths = find_pictures(args.input)
    targets = _targets(paths, args.output)
    model = open_model(args.model, args.runtime, args.threads, args.device)
    results = []
    for path, target in zip(paths, targets, strict=True):
        with model.timed("read"):
            picture = read_picture(path, len(model.facts.mean))
        found = model.run(picture)
        with model.timed("write"):
            write_picture(target, model.task.draw(_shown(picture), found, model.facts))
        results.append({"picture": str(path), "written": str(target), "found": model.task.says(found, model.facts)})
        if not args.json:
            print(f"{target}: {results[-1]['found']}")
    _close(results, model, args.json)
    return 0


def _close(results: Sequence[dict[str, str]], model: Model, as_json: bool) -> None:
    times = {step: model.milliseconds(step) for step in STEPS}
    if as_json:
        print(json.dumps({"runtime": model.row.name, "pictures": results, "milliseconds": times}))
        return
    each = ", ".join(f"{step} {time:.1f}" for step, time in times.items())
    print(f"{len(results)} pictures in {model.row.name}; median ms of each: {each}")


def _targets(paths: Sequence[Path], folder: Path) -> list[Path]:
    """A PNG a picture, by its whole name where two differ in their suffix alone; never over a picture."""
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name for path in paths]
    targets = [folder / f"{name}.png" for name in names]
    if over := {path.resolve() for path in paths} & {target.resolve() for target in targets}:
        raise UserError(f"{min(over)} would be overwritten; give another --output")
    folder.mkdir(parents=True, exist_ok=True)
    return targets


def _shown(picture: Picture) -> Picture:
    return picture.repeat(3, 2) if picture.shape[2] == 1 else picture


def _bench(args: argparse.Namespace) -> int:
    speed: Speed = bench(args.model, args.runtime, thread_counts(), args.rounds, args.device)
    print(json.dumps(asdict(speed)) if args.json else "\n".join(bench_lines(speed)))
    return 0
