"""A stage's folder, the record of what it was made from, and whether it is current; loads no network."""

from qat.stages.folders import CHECKPOINTS, EQUALISED, PARTIAL, STAGES, Folders
from qat.stages.run import (
    Run,
    Tuned,
    finished_stages,
    is_current,
    origin_of,
    previous_record,
    read_record,
    source_of,
    write_record,
)

__all__ = [
    "CHECKPOINTS",
    "EQUALISED",
    "PARTIAL",
    "STAGES",
    "Folders",
    "Run",
    "Tuned",
    "finished_stages",
    "is_current",
    "origin_of",
    "previous_record",
    "read_record",
    "source_of",
    "write_record",
]
