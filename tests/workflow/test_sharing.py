"""What processes must see alike is named where they don't: which process, which file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qat.config import load_config
from qat.data import SegmentationDataset, build_dataset
from qat.data.transforms import InferenceTransform
from qat.distributed import Group
from qat.errors import UserError
from qat.workflow.settings import data_spec
from qat.workflow.sharing import check_same_files, check_shared_folder, own_part
from tests.workflow.dots import DESCRIPTOR, write_pictures


@dataclass(frozen=True)
class First(Group):
    """The first of two processes; `other`: what the second one answers."""

    world: int = 2
    other: Any = None

    def gather(self, value: Any) -> list[Any]:
        return [value, ("elsewhere", self.other)]

    def spread(self, value: Any) -> Any:
        return value


@pytest.fixture
def dataset(tmp_path: Path) -> SegmentationDataset:
    write_pictures(tmp_path)
    (tmp_path / "dots.yaml").write_text(DESCRIPTOR)
    options = ["DATASET.DATASET", str(tmp_path / "dots.yaml"), "TEST.IMAGE_SIZE", "128,64"]
    return build_dataset(data_spec(load_config(None, options)), "val", InferenceTransform())


@pytest.mark.parametrize(("digest", "said"), [("", "doesn't see"), ("0", "sees another file as")])
def test_a_picture_that_a_process_sees_otherwise(dataset: SegmentationDataset, digest: str, said: str) -> None:
    found = dict.fromkeys(dataset.names, digest) if digest else {}
    with pytest.raises(UserError, match=f"process 1 on elsewhere {said}.*{dataset.names[1]}"):
        check_same_files(First(other=found), dataset, [0, 1])


def test_a_folder_that_a_process_does_not_see(tmp_path: Path) -> None:
    check_shared_folder(First(other=True), tmp_path)
    with pytest.raises(UserError, match="process 1 on elsewhere doesn't see"):
        check_shared_folder(First(other=False), tmp_path)
    assert not list(tmp_path.iterdir())


def test_whole_batches_are_shared() -> None:
    assert [own_part(Group(rank, 2), range(7), 2) for rank in range(2)] == [[0, 1, 2, 3], [4, 5, 6]]


def test_more_processes_than_batches() -> None:
    with pytest.raises(UserError, match="3 processes share 2 batches of pictures; start 2 processes or fewer"):
        own_part(Group(0, 3), range(4), 2)
