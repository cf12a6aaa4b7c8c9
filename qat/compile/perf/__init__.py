"""Speed of the compiled artefacts: timed in turn in every runtime, beside what this CPU can do at most."""

from qat.compile.perf.page import write_report
from qat.compile.perf.report import PerfEntry, SpeedReport, artefacts_of, perf_table, reasons
from qat.compile.perf.run import BenchSettings, bench

__all__ = [
    "BenchSettings",
    "PerfEntry",
    "SpeedReport",
    "artefacts_of",
    "bench",
    "perf_table",
    "reasons",
    "write_report",
]
