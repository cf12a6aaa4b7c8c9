"""`make fuzz N=10000`: damaged files of every format, each read by the program in this process; a table of outcomes.

A file may be read, where the damage is none that counts, or refused in one line. Anything else is not held: a
traceback, or more than SLOW seconds. Each line of those says the format and the seed, which makes the same file again:
`python -m tests.faults.fuzz FORMAT SEED`.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from random import Random

from qat.errors import UserError, wants_memory
from tests.faults.format import Format
from tests.faults.formats import formats
from tests.networks import TINY, registered

READ, REFUSED = "read", "refused"
SLOW = 30.0  # seconds


def outcome(one: Format, seed: int) -> str:
    """READ, REFUSED, or what happened instead."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        name = one.broken(Random(seed), Path(folder))
        try:
            one.read(Path(folder), name)
            found = READ
        except UserError as error:
            found = REFUSED if str(error).strip() else "an empty line"
        except Exception as error:
            found = REFUSED if wants_memory(error) else "".join(traceback.format_exception(error))
    return found if time.monotonic() - start < SLOW else f"took more than {SLOW:g} seconds"


def _main(argv: list[str]) -> int:
    faulthandler.enable()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as root, registered(TINY):
        known = formats(Path(root))
        if len(argv) == 2:
            print(outcome(known[argv[0]], int(argv[1])))
            return 0
        return _table(known, int(argv[0]) if argv else 1000)


def _table(known: dict[str, Format], count: int) -> int:
    tried: dict[str, Counter[str]] = {name: Counter() for name in known}
    dealt = [name for name, one in known.items() for _ in range(one.share)]
    for seed in range(count):
        name = dealt[seed % len(dealt)]
        found = outcome(known[name], seed)
        kind = found if found in (READ, REFUSED) else "not held"
        tried[name][kind] += 1
        if kind == "not held":
            print(f"{name}, seed {seed}: {found}", flush=True)
    columns = (READ, REFUSED, "not held")
    print(f"| format | tried | {' | '.join(columns)} |\n|---|---|---|---|---|")
    for name, counts in [*tried.items(), ("all", sum(tried.values(), Counter()))]:
        print(f"| {name} | {counts.total()} | {' | '.join(str(counts[column]) for column in columns)} |")
    return int(any(counts["not held"] for counts in tried.values()))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
