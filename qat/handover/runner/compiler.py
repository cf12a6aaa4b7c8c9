"""The vendor's compiler, one step a call; every return code is looked at."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from . import plugin
from .mistake import Mistake, called
from .session import SCRIPT, Session

HBIR, HBM, PERF = "model.hbir", "model.hbm", "perf_out"
VERIFIER = "hbdk-model-verifier"
ADVICE = "the plugin's own lines above name the operation"


def check_model(session: Session) -> dict[str, Any]:
    """Whether the device can run it."""
    return _run(session, "check_model", input_source=session.plan["input"]["source"])


def export_hbir(session: Session) -> dict[str, Any]:
    """The intermediate file."""
    return _run(session, "export_hbir", str(session.output / HBIR))


def compile_model(session: Session) -> dict[str, Any]:
    """The board's file."""
    options = {**_options(session), "progressbar": False, "jobs": session.plan["compiler"]["jobs"]}
    return _run(session, "compile_model", str(session.output / HBM), **options)


def visualize_model(session: Session) -> dict[str, Any]:
    """The picture of the network."""
    path = session.output / session.plan["compiler"]["picture"]
    return _run(session, "visualize_model", save_path=str(path), show=False)


def perf_model(session: Session) -> dict[str, Any]:
    """The compiler's estimate of speed: its dict, whose one key is `summary`."""
    folder = session.output / PERF
    folder.mkdir(exist_ok=True)
    more = {"name": session.plan["compiler"]["name"], "out_dir": str(folder), "layer_details": True}
    report = _call(session, "perf_model", **_options(session), **more)
    if not isinstance(report, dict):
        raise Mistake(f"the plugin's perf_model returned {report!r}, expected its summary; {ADVICE}")
    return {"perf": report}


def verify(session: Session) -> dict[str, Any]:
    """Hold model.hbm against int_model.pt by the image's own tool, without a board; says so where it isn't there."""
    if shutil.which(VERIFIER) is None:
        return {"skipped": f"no {VERIFIER} on PATH"}
    files = ["--hbm", str(session.output / HBM), "--model-pt", str(session.output / SCRIPT)]
    command = [VERIFIER, *files, "--skip-bpu", "--local-work-path", str(session.work)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
        raise Mistake(f"{VERIFIER} ended with {done.returncode} and said: {last}")
    return {}


def _options(session: Session) -> dict[str, Any]:
    return {"input_source": session.plan["input"]["source"], "opt": session.plan["compiler"]["opt"]}


def _call(session: Session, function: str, *args: Any, **keywords: Any) -> Any:
    plugin.set_march(session.plan["march"])
    call = getattr(plugin.part("quantization"), function)
    return called(call, session.script, [session.example], *args, march=session.plan["march_text"], **keywords)


def _run(session: Session, function: str, *args: Any, **keywords: Any) -> dict[str, Any]:
    """Call a function whose result is an error code, 0 if all is well; export_hbir gives names instead."""
    code = _call(session, function, *args, **keywords)
    if isinstance(code, int) and code != 0:
        raise Mistake(f"the plugin's {function} returned {code}, expected 0; {ADVICE}")
    return {}
