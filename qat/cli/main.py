"""`rtseg-qat COMMAND ...`: one line and exit code 2 for a user's mistake."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, redirect_stdout
from importlib import import_module
from typing import Any, NoReturn

from qat.cli import processes
from qat.cli.output import Output
from qat.cli.signals import SAYS, Terminated, exit_code, running, starting
from qat.cli.transcript import Transcript
from qat.errors import UserError, nearest, quoted, refused_by_disk, wants_memory
from qat.version import __version__

DEFAULT_CONFIG = "streets/pidnet_s"
USAGE = "usage: rtseg-qat COMMAND [-c CONFIG | --run FOLDER] [--json] [options] [KEY VALUE ...]"
_LONGEST = 2000  # characters of a line; paths may be long
_NO_MEMORY = "not enough memory; lower TEST.IMAGE_SIZE, TRAIN.IMAGE_SIZE, a batch size or WORKERS, or free some"
_NO_DISK = "a disk takes no more; free some of OUTPUT_DIR's, LOG_DIR's and the temporary folder's (TMPDIR)"
COMMANDS = {
    "demo": "float -> calib -> int8 on the embedded default, mIoU after every stage",
    "new": "a ready config and data set descriptor from a network and folders of pictures and labels",
    "check": "violations before, rewrites, violations after, for QUANT.TARGET",
    "train": "train the float network",
    "calib": "calibrate: choose every activation's scale from training images",
    "debug": "where accuracy is lost: layer errors, sensitivity, qconfig check, advice",
    "qat": "fine-tune the calibrated network with fake-quantisation, taught by the float network",
    "eval": "mIoU of a stage, how far it is from float, and the table of all stages",
    "infer": "colour overlays of pictures with a stage, beside float's",
    "compare": "two folders of logits against each other, such as int_infer's and a board's dumps",
    "compile": "every artefact of the calibrated network, each proven and run in every runtime",
    "handover": "the bundle for the vendor's image, which makes the board's file where this project can't go",
    "takeover": "what the bundle brought back from that image: the plugin's rows beside ours",
    "regress": "every stage and runtime anew, each figure and class held against a baseline",
    "report": "report.html: every stage's figures, classes, worst pictures, layers, in one file",
    "export": "a checkpoint as a small file of tensors, or a network as a float or int8 ONNX file",
    "opset": "an ONNX file in a newer operator set, held against the old file",
    "show": "what a config's network or a file is: ends, layers, parameters, MACs, opset, quantised how",
    "bench": "speed: int8 against float, evaluation against its forward, calibration",
    "bench-runtimes": "speed of the artefacts: each in every runtime, beside this CPU's peak",
    "bench-threads": "speed by threads: every file in every runtime on 1, 2, 4, 8 threads",
    "bench-peers": "speed and accuracy beside NNCF's and ONNX Runtime's int8 models",
    "bench-scale": "speed: what several processes gain, and what carrying results costs",
    "board": "J5's speed: perf_model's JSON, hrt_model_exec's output and profile, as one table",
}


def main(argv: Sequence[str]) -> int:
    """Run a command: 0, 1 where a gate or check fails, 2 for a user's mistake, 130 for Ctrl-C, 143 for SIGTERM."""
    try:
        if not argv or argv[0] in ("-h", "--help", "help"):
            print(overview())
            return 0
        if argv[0] in ("-V", "--version"):
            print(f"rtseg-qat {__version__}")
            return 0
        return run(argv[0], argv[1:])
    except UserError as error:
        if not processes.is_said_elsewhere(error):
            print(f"error: {quoted(str(error), _LONGEST)}", file=sys.stderr)
        return 2
    except Exception as error:  # Python, torch and OpenCV have their own
        if refused_by_disk(error):
            print(f"error: {_NO_DISK} ({quoted(str(error))})", file=sys.stderr)
            return 2
        if not wants_memory(error):
            raise
        print(f"error: {_NO_MEMORY} ({quoted(str(error)) or 'MemoryError'})", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Terminated) as error:
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        if not processes.is_started():  # whoever started this process says it
            print(SAYS[number], file=sys.stderr)
        return exit_code(number)


def overview() -> str:
    """Returns the text of --help."""
    rows = [f"  {name:<16}{line}" for name, line in COMMANDS.items()]
    more = "rtseg-qat COMMAND --help says more; KEY VALUE overrides keys of the config, such as QUANT.OBSERVER mse"
    return "\n".join([USAGE, "", *rows, "", more])


def run(command: str, argv: Sequence[str]) -> int:
    """Parse a command's arguments, load the config, run it."""
    if command not in COMMANDS:
        raise UserError(f"no command {command}; {nearest(command, COMMANDS)}")
    with starting():
        module = import_module(module_of(command))
        args = parser_of(command, module).parse_intermixed_args(argv)
        import_module("torch")
        import_module("qat.workflow.run")
        several = getattr(args, "processes", 1)
    if several > 1 and not processes.is_started():
        with running():
            return processes.start(command, argv, several)
    main_process = int(os.environ.get("RANK", 0)) == 0  # of those that were started together
    level = logging.INFO if main_process else logging.ERROR
    transcript = Transcript(command, argv)
    handlers: list[logging.Handler] = [_ToStderr(), transcript] if main_process else [_ToStderr()]
    logging.basicConfig(level=level, format="%(message)s", handlers=handlers, force=True)
    out = Output(args.json, quiet=not main_process, transcript=transcript)
    with running(), redirect_stdout(sys.stderr) if args.json else nullcontext(), closing(out), _ended(transcript):
        return processes.run(module, lambda: _work(command, module, args, out, transcript))


def _work(command: str, module: Any, args: argparse.Namespace, out: Output, transcript: Transcript) -> int:
    """Opens the config and runs the command on it."""
    from qat.workflow.places import command_on_cpu
    from qat.workflow.run import folders_of, open_config

    args.file = file_in_place(module, args.opts)
    opens = takes_config(module) and args.file is None
    config = open_config(args.cfg, args.run, args.opts) if opens else None
    if config is not None:
        transcript.begin(folders_of(config).base)
        if line := command_on_cpu(config, command):
            logging.getLogger(__name__).info("%s", line)
    return int(module.run(config, args, out) or 0)


@contextmanager
def _ended(transcript: Transcript) -> Iterator[None]:
    """Put a mistake into the transcript too."""
    try:
        yield
    except UserError as error:
        transcript.add(f"error: {quoted(str(error), _LONGEST)}")
        raise


def parser_of(command: str, module: Any) -> argparse.ArgumentParser:
    """The arguments that every command has, and the module's own."""
    parser = _Parser(prog=f"rtseg-qat {command}", description=module.__doc__)
    if takes_config(module):
        place = parser.add_mutually_exclusive_group()
        place.add_argument(
            "-c", "--cfg", action=_Once, default=DEFAULT_CONFIG, help="name or path (default: %(default)s)"
        )
        place.add_argument(
            "--run", action=_Once, metavar="FOLDER", help="a run's folder, whose resolved config is taken"
        )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object on stdout")
    if hasattr(module, "PROCESSES"):
        processes.arguments(parser)
    if hasattr(module, "arguments"):
        module.arguments(parser)  # first: a positional of its own stands before KEY VALUE
    parser.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="config overrides, such as QUANT.OBSERVER percentile"
    )
    return parser


def takes_config(module: Any) -> bool:
    """Whether the command of a module opens a config."""
    return getattr(module, "TAKES_CONFIG", True)


def file_in_place(module: Any, opts: list[str]) -> str | None:
    """Takes the file that stands in the config's place out of the arguments, for a command that has `FILES`."""
    if not opts or not opts[0].endswith(getattr(module, "FILES", ("\0",))):
        return None
    if opts[1:]:
        raise UserError(f"{opts[0]} is a file, which no config goes with; leave out {' '.join(opts[1:])}")
    return opts.pop()


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as all commands do."""

    def error(self, message: str) -> NoReturn:
        """UserError instead of the usage and an exit."""
        raise UserError(f"{message}; see {self.prog} --help")


class _Once(argparse.Action):
    """An option that is given once."""

    def __call__(self, parser: argparse.ArgumentParser, args: Any, value: Any, name: str | None = None) -> None:
        """Keep the value; a mistake where there is one already."""
        if getattr(args, self.dest) != self.default:
            parser.error(f"{name} is given twice: {getattr(args, self.dest)} and {value}")
        setattr(args, self.dest, value)


class _ToStderr(logging.Handler):
    """Writes to the current stderr, so that a progress bar can put the line above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        print(self.format(record), file=sys.stderr)


def module_of(command: str) -> str:
    """The module of a command.

    >>> module_of("bench-runtimes")
    'qat.cli.bench_runtimes'
    """
    return f"qat.cli.{command.replace('-', '_')}"
