"""What Windows lacks: every file is imported, data is loaded and a child answers without it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.accuracy.runs import ROOT

WITHOUT = """
import os, signal, subprocess, sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("fcntl", "resource", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(f"no module {name}", name=name)

import torch, numpy, cv2, onnx, filelock, rich.progress, tensorboardX  # theirs ask for what there is by themselves
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Gone())
for name in ("nice", "fork", "getuid", "mkfifo", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    delattr(signal, name)
real = subprocess.Popen.__init__

def popen(self, *arguments, pass_fds=(), preexec_fn=None, **named):
    assert not pass_fds and preexec_fn is None, "Windows has neither"
    real(self, *arguments, **named)

subprocess.Popen.__init__ = popen
"""
IMPORTS = """
import importlib, pkgutil, qat
for module in pkgutil.walk_packages(qat.__path__, "qat."):
    if not module.name.startswith("qat.handover.runner") and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
WORKER = """
from qat.data.workers import start_worker
from qat.files import alone, scratch_folder, write_text
from pathlib import Path
start_worker(0)
with scratch_folder() as folder, alone(folder / "set"):
    write_text(folder / "file", "text")
"""
CHILD = """
import operator
from qat.runtimes.child_process import in_child
assert in_child("thing", "adding", operator.add, 1, 2) == 3
"""


@pytest.mark.parametrize("code", [IMPORTS, WORKER, CHILD], ids=["imports", "worker and files", "child"])
def test_without_what_windows_lacks(code: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
