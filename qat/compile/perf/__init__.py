"""Speed of the compiled artefacts: timed in turn in every runtime, beside what this CPU can do at most."""

from qat.compile.perf.documents import write_report
from qat.compile.perf.report import Entry, Report, artefacts_of
from qat.compile.perf.run import Settings, bench
from qat.compile.perf.table import perf_table, reasons

__all__ = ["Entry", "Report", "Settings", "artefacts_of", "bench", "perf_table", "reasons", "write_report"]
