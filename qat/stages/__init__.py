"""A stage's folder, the record of what it was made from, its figures, and whether it is current; loads no network."""

from qat.stages.figures import Figures, write_figures
from qat.stages.folders import CHECKPOINTS, EQUALISED, PARTIAL, STAGES, Folders
from qat.stages.record import (
    checkpoint_digest,
    is_current,
    previous_record,
    read_record,
    read_view,
    record_of,
    write_record,
    write_views,
)
from qat.stages.run import Run, Tuned, finished_stages, origin_of, source_of

__all__ = [
    "CHECKPOINTS",
    "EQUALISED",
    "PARTIAL",
    "STAGES",
    "Figures",
    "Folders",
    "Run",
    "Tuned",
    "checkpoint_digest",
    "finished_stages",
    "is_current",
    "origin_of",
    "previous_record",
    "read_record",
    "read_view",
    "record_of",
    "source_of",
    "write_figures",
    "write_record",
    "write_views",
]
