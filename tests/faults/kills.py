"""`make kill N=100`: commands in processes of their own, ended by a signal at a random point, then run again.

Held: a SIGKILL leaves a run that goes on, SIGTERM and SIGINT end in one line with exit code 143 and 130 and leave
nothing half-written; and the command, run again, ends as one that nothing disturbed: the same figures, and the same
bytes of every file without times in it. Each line of what isn't held says the seed: `python -m tests.faults.kills
--seed SEED`. Every fifth process is a new interpreter, which may be hit while it starts; the others are forked.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from qat.cli.signals import SAYS, exit_code
from tests.faults.commands import COMMANDS, OTHERS, Command, without_times
from tests.faults.conftest import config, data, weights
from tests.faults.crash_points import put_back, visible
from tests.heeding import heeding
from tests.networks import TINY, registered

EVERY = {**COMMANDS, **OTHERS}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
NEW_ONE = 5  # every so many processes are new interpreters
LATE, HELD = "ended before", "held"
CODE = """
import sys
from qat.cli.signals import starting
with starting():
    print("started", flush=True)
    from tests.faults.kills import alone
alone(*sys.argv[1:])
"""


@dataclass(frozen=True)
class Trial:
    """A command, prepared in `root`, of which `before` is a copy, and what its undisturbed run leaves.

    `seconds`: that run took; `start`: a new interpreter's, imports included.
    """

    command: Command
    root: Path
    before: Path
    ended: Mapping[str, object]
    seconds: float
    start: float

    @classmethod
    def of(cls, name: str, folder: Path) -> Trial:
        """Runs what comes before, then the command twice: only what is the same in both counts."""
        command, root = EVERY[name], folder / "run"
        data(root / "data")
        weights(root / "first.pt", 0)
        (root / "output").mkdir()
        _finished(lambda: command.prepare(root, root / "first.pt"))
        before = Path(shutil.copytree(root, folder / "before"))
        start = time.monotonic()
        _finished(lambda: command.run(root, root / "first.pt"))
        seconds, first = time.monotonic() - start, left(root, command)
        made = cls(command, root, before, first, seconds, 0.0)
        made.put_back()
        start = time.monotonic()
        assert made.spawned(name).wait() == 0
        second = left(root, command)
        same = {key: value for key, value in first.items() if second.get(key) == value}
        return cls(command, root, before, same, seconds, time.monotonic() - start)

    def put_back(self) -> None:
        """As it was before the command."""
        put_back(self.before, self.root)

    def spawned(self, name: str) -> subprocess.Popen[bytes]:
        """The command in a new interpreter; what it says goes to a file."""
        with open(self.root.parent / "said", "wb") as said:
            words = [sys.executable, "-c", CODE, name, str(self.root)]
            child = subprocess.Popen(words, stdout=said, stderr=said, preexec_fn=heeding)
        while child.poll() is None and not (self.root.parent / "said").stat().st_size:
            time.sleep(0.01)  # Python itself starts
        return child


def alone(name: str, root: str) -> None:
    """What a new interpreter runs."""
    with registered(TINY):
        sys.exit(EVERY[name].call(Path(root), Path(root, "first.pt")))


def left(root: Path, command: Command) -> dict[str, object]:
    """What a run leaves: the content of each file, and each stage's figures without times."""
    files = visible(root)
    names = {f"{name} is there": True for name in files if "events.out" not in name}
    return {**files, **names, **without_times(config(root, *command.options))}


def forked(run: Callable[[], int], said: Path) -> int:
    """A process that calls `run` and exits with its value; returns its number."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            heeding()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            with open(said, "wb", buffering=0) as file:
                for stream in (1, 2):
                    os.dup2(file.fileno(), stream)
            code = run()
        finally:
            os._exit(code)
    return child


def _finished(run: Callable[[], object]) -> None:
    """Runs in a process of its own: this one stays as it was."""
    with tempfile.NamedTemporaryFile() as said:
        child = forked(lambda: int(bool(run())), Path(said.name))
        assert os.waitpid(child, 0)[1] == 0, Path(said.name).read_text()


def outcome(name: str, trial: Trial, rng: Random, is_new: bool) -> str:
    """LATE, HELD, or what happened instead."""
    number, said = rng.choice(SIGNALS), trial.root.parent / "said"
    trial.put_back()
    point = rng.random() * (trial.start if is_new else trial.seconds)
    child = trial.spawned(name).pid if is_new else forked(lambda: _call(trial), said)
    time.sleep(point)
    os.kill(child, number)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end = _ended(code, number, said.read_text(errors="replace"), trial.root)
    again = os.waitstatus_to_exitcode(os.waitpid(forked(lambda: _call(trial), said), 0)[1])
    if again not in ((0, 2) if trial.command.once else (0,)):
        return f"{end}; run again: exit code {again}, {said.read_text()[-300:]}"
    differ = [key for key, value in trial.ended.items() if left(trial.root, trial.command).get(key) != value]
    hidden = [path.name for path in trial.root.rglob(".*")]
    return end if not differ and not hidden else f"{end}; run again: {differ[:3]} differ, {hidden[:3]} are left"


def _call(trial: Trial) -> int:
    return trial.command.call(trial.root, trial.root / "first.pt")


def _ended(code: int, number: signal.Signals, said: str, root: Path) -> str:
    if code == 0 or (code == -number and number != signal.SIGKILL and "Traceback" not in said):
        return LATE  # its handlers are gone with the command
    wanted = -number if number == signal.SIGKILL else exit_code(number)
    if code != wanted or "Traceback" in said:
        return f"exit code {code} after {number.name}: {said[-300:]}"
    if number == signal.SIGKILL:
        return HELD
    if said.strip().splitlines()[-1:] != [SAYS[number]]:
        return f"said {said[-100:]!r} after {number.name}"
    hidden = [path.name for path in root.rglob(".*")]
    return HELD if not hidden else f"{hidden[:3]} left after {number.name}"


def _main(argv: list[str]) -> int:
    seeds = [int(argv[1])] if argv[:1] == ["--seed"] else range(int(argv[0]) if argv else 100)
    names, tried = list(EVERY), {name: Counter[str]() for name in EVERY}
    trials: dict[str, Trial] = {}
    with tempfile.TemporaryDirectory() as root, registered(TINY):
        for seed in seeds:
            name = names[seed % len(names)]
            if name not in trials:
                Path(root, str(len(trials))).mkdir()
                trials[name] = Trial.of(name, Path(root, str(len(trials))))
            found = outcome(name, trials[name], Random(seed), seed % NEW_ONE == 0)
            tried[name][found if found in (LATE, HELD) else "not held"] += 1
            if found not in (LATE, HELD):
                print(f"{name}, seed {seed}: {found}", flush=True)
    return _table(tried)


def _table(tried: Mapping[str, Counter[str]]) -> int:
    columns = (LATE, HELD, "not held")
    print(f"| command | killed | {' | '.join(columns)} |\n|---|---|---|---|---|")
    for name, counts in [*tried.items(), ("all", sum(tried.values(), Counter()))]:
        print(f"| {name} | {counts.total()} | {' | '.join(str(counts[column]) for column in columns)} |")
    return int(any(counts["not held"] for counts in tried.values()))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
