"""Everything that is known about a step, as lines to read."""

from __future__ import annotations

from collections.abc import Mapping

from qat.compile.picture.labels import DTYPES, dtype_of, label_of, short, times
from qat.program.steps import Program, Step


def facts_of(step: Step, program: Program, error: Mapping[str, float] | None = None) -> dict[str, str]:
    """Title -> text of everything known about a step, in the order to show it; `error`: measure -> value."""
    facts = {
        "Operation": label_of(step),
        "Module": step.module,
        "Shape": times(step.shape),
        "Type": DTYPES[dtype_of(step, program)],
    }
    if step.quant:
        low, high = step.quant.range
        facts |= {
            "Scale": f"{step.quant.scale:.6g}",
            "Zero point": str(step.quant.zero_point),
            "Range": f"{low:.4g} … {high:.4g}",
        }
    if step.macs:
        facts["MACs"] = f"{short(step.macs)} ({step.macs / program.macs:.1%} of {short(program.macs)})"
    if step.weight:
        facts["Weights"] = _weight(step)
    facts |= {_error_title(key): f"{value:.4g}" for key, value in (error or {}).items()}
    facts |= {key: str(value) for key, value in step.attributes.items() if value is not None}
    return {title: text for title, text in (facts | {"Source": step.source}).items() if text}


def _weight(step: Step) -> str:
    assert step.weight
    values, scales = step.weight.values, step.weight.scales
    kind = "float32" if scales is None else f"int8, {scales.size} scale{'s' if scales.size > 1 else ''}"
    return f"{times(values.shape)} = {short(values.size)} {kind}{'' if step.weight.bias is None else ', with bias'}"


def _error_title(key: str) -> str:
    """A measure's key with its unit in brackets: `sqnr_db` is `Error: SQNR (dB)`."""
    return "Error: " + {"sqnr_db": "SQNR (dB)"}.get(key, key.replace("_", " "))
