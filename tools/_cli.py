"""The edge of every tool: argv in, one line and exit code 2 for a user's mistake."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from yacs.config import CfgNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from qat.config import load_config
from qat.errors import UserError

DEFAULT_CFG = "streets/pidnet_s"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with `-c/--cfg FILE` and trailing KEY VALUE overrides; a tool adds its own arguments."""
    result = argparse.ArgumentParser(description=description)
    result.add_argument("-c", "--cfg", default=DEFAULT_CFG, help="YAML config (default: %(default)s)")
    result.add_argument(
        "opts", nargs="*", metavar="KEY VALUE", help="config overrides, such as QUANT.OBSERVER percentile"
    )
    return result


def config(args: argparse.Namespace) -> CfgNode:
    """The config that the arguments name."""
    return load_config(args.cfg, args.opts)


class _ToStderr(logging.Handler):
    """Writes to whatever stderr is at that moment, so that a progress bar can put the line above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        print(self.format(record), file=sys.stderr)


def run(main: Callable[[], int | None]) -> None:
    """Run a tool's main and exit: 0, its own code, 2 for a user's mistake, 130 for Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_ToStderr()])
    try:
        code = main() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code)
