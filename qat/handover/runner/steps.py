"""The steps of a run, in their order; each gives what results.json keeps of it."""

from __future__ import annotations

import time
from typing import Any, Callable

from . import compiler, evaluation, plugin, scales
from .measures import Distance, compared
from .mistake import Mistake
from .session import SCRIPT, Session

FLOAT_AT_LEAST = 100.0  # dB, of the same float network under another torch
FURTHER_AT_MOST = 3.0  # dB, of the plugin's calibrated network from float, beyond ours


def names(session: Session) -> dict[str, Any]:
    """Whether the plugin has every name that later steps call."""
    plugin.check_names(session.plan)
    for kind in ("calib", "qat") if session.options["qat_epochs"] else ("calib",):
        plugin.qconfigs(session.plan, kind)
    return {}


def float_probe(session: Session) -> dict[str, Any]:
    """Whether this torch computes the network as the one that wrote the bundle."""
    answers = session.answers(session.network)
    distance = compared(session.probes["bundle"], answers)
    differing = f"{distance.changed} of {distance.pixels} classes differ"
    session.say(f"{distance.decibels:.1f} dB to the bundle's float, {differing}")
    if distance.decibels < FLOAT_AT_LEAST or distance.changed:
        raise Mistake(
            f"the float network gives other logits here ({distance.decibels:.1f} dB, {differing}; "
            f"expected {FLOAT_AT_LEAST:.0f} dB and none): this torch computes it otherwise, so nothing below would hold"
        )
    session.results.keep_answers("float", answers.numpy())
    return _record(distance)


def calibrate(session: Session) -> dict[str, Any]:
    """Every activation's scale."""
    return {"scales": scales.activations(session.calibrated)}


def calib_probe(session: Session) -> dict[str, Any]:
    """Whether the plugin's calibrated network is about as near to float as ours."""
    record = _probe(session, "calib", session.calibrated)
    ours = compared(session.probes["float"], session.probes["calib"]).decibels
    if record["to_float"] < ours - FURTHER_AT_MOST:
        raise Mistake(
            f"the plugin's calibrated network is {record['to_float']:.1f} dB from float and ours {ours:.1f} dB, more "
            f"than {FURTHER_AT_MOST:.0f} dB better; look at the scales in results.json, or try another QUANT.OBSERVER"
        )
    return record


def qat(session: Session) -> dict[str, Any]:
    """The plugin's own fine-tuning."""
    if not session.options["qat_epochs"]:
        return {"skipped": "no --qat-epochs"}
    return _probe(session, "qat", session.tuned)


def int_probe(session: Session) -> dict[str, Any]:
    """The integer network."""
    return _probe(session, "int_infer", session.converted)


def trace(session: Session) -> dict[str, Any]:
    """The board's network as TorchScript."""
    return {"operations": len(list(session.script.inlined_graph.nodes())), "file": SCRIPT}


STEPS: tuple[Callable[[Session], dict[str, Any]], ...] = (
    *(names, float_probe, calibrate, calib_probe, qat, int_probe, trace),
    *(compiler.check_model, compiler.export_hbir, compiler.compile_model, compiler.visualize_model),
    *(compiler.perf_model, evaluation.evaluate, compiler.verify),
)


def _probe(session: Session, stage: str, model: Any) -> dict[str, Any]:
    start = time.perf_counter()
    answers = session.answers(model)
    seconds = time.perf_counter() - start
    floating, ours = compared(session.probes["float"], answers), compared(session.probes["calib"], answers)
    shares = f"{floating.changed / floating.pixels:.2%} of the classes differ"
    session.say(f"{floating.decibels:.1f} dB to float ({shares}), {ours.decibels:.1f} dB to our calib")
    session.results.keep_answers(stage, answers.numpy())
    return {"to_float": floating.decibels, "to_ours": ours.decibels, "forward_seconds": seconds}


def _record(distance: Distance) -> dict[str, Any]:
    return {"decibels": distance.decibels, "changed": distance.changed, "pixels": distance.pixels}
