from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from qat.files import alone

CODE = """
import logging, sys
from pathlib import Path
from qat.files import alone
logging.basicConfig(level=logging.INFO, format="%(message)s")
with alone(Path(sys.argv[1])):
    print("in", flush=True)
"""


def test_waiting_says_for_whom(tmp_path: Path) -> None:
    with alone(tmp_path / "set"):
        child = subprocess.Popen(
            [sys.executable, "-c", CODE, str(tmp_path / "set")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stderr is not None
        said = child.stderr.readline()
        assert said.startswith("waiting for process ")
        assert said.endswith(f", who makes {tmp_path / 'set'}\n")
        time.sleep(0.2)
        assert child.poll() is None
    assert child.communicate(timeout=60)[0] == "in\n"
    assert [*tmp_path.iterdir()] == []
