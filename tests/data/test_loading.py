from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec, training_transform

MakeCfg = Callable[..., CfgNode]
Save = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def training(cityscapes_root: Path, make_cfg: MakeCfg) -> SegmentationDataset:
    cfg = make_cfg("cityscapes", cityscapes_root, "TRAIN.COLOR", "0.4")
    return build_dataset(data_spec(cfg), "train", training_transform(cfg))


@pytest.fixture
def inference(cityscapes_root: Path, make_cfg: MakeCfg) -> SegmentationDataset:
    return build_dataset(data_spec(make_cfg("cityscapes", cityscapes_root)), "train", InferenceTransform())


def one_pass(data: SegmentationDataset, workers: int, epoch: int, seed: int = 0) -> list[tuple[str, torch.Tensor]]:
    loader = data_loader(data, 1, workers, shuffle=True, seed=seed)
    loader.set_epoch(epoch)
    return [(batch["name"][0], batch["image"]) for batch in loader]


def same(a: list[tuple[str, torch.Tensor]], b: list[tuple[str, torch.Tensor]]) -> bool:
    return all(x[0] == y[0] and torch.equal(x[1], y[1]) for x, y in zip(a, b, strict=True))


def test_a_batch_is_collated(training: SegmentationDataset) -> None:
    (batch,) = data_loader(training, 3, 0)
    assert batch["image"].shape == (3, 3, 24, 48)
    assert batch["label"].shape == batch["edge"].shape == (3, 24, 48)
    assert batch["name"] == training.names


def test_pictures_depend_on_the_epoch_and_not_on_the_workers(training: SegmentationDataset) -> None:
    first = one_pass(training, 0, epoch=5)
    assert same(first, one_pass(training, 2, epoch=5))
    assert not same(first, one_pass(training, 2, epoch=6))


def test_one_loader_sees_each_new_epoch(training: SegmentationDataset) -> None:
    loader = data_loader(training, 3, 1)
    passes = []
    for epoch in (0, 1, 0):
        training.set_epoch(epoch)
        passes.append(next(iter(loader))["image"])
    assert torch.equal(passes[0], passes[2])
    assert not torch.equal(passes[0], passes[1])


def test_the_order_depends_on_seed_and_epoch() -> None:
    class Numbers(Dataset[dict[str, torch.Tensor]]):
        epoch = 0

        def __len__(self) -> int:
            return 50

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return {"image": torch.tensor(index)}

    def order(seed: int, epoch: int, **options: object) -> list[int]:
        data = Numbers()
        data.epoch = epoch
        loader = data_loader(data, 7, 0, seed=seed, **options)  # type: ignore[arg-type]
        return [int(i) for batch in loader for i in batch["image"]]

    shuffled = order(1, 2, shuffle=True)
    assert sorted(shuffled) == order(1, 2) == list(range(50))
    assert shuffled == order(1, 2, shuffle=True)
    assert shuffled not in (order(2, 2, shuffle=True), order(1, 3, shuffle=True), list(range(50)))
    assert len(order(1, 2, drop_last=True)) == 49
    assert order(1, 2, indices=[4, 2, 9]) == [4, 2, 9]
    assert sorted(order(1, 2, indices=[4, 2, 9], shuffle=True)) == [2, 4, 9]
    assert order(1, 2, sampler=torch.utils.data.SequentialSampler(range(3))) == [0, 1, 2]


def test_a_samplers_epoch_is_set_too(inference: SegmentationDataset) -> None:
    sampler = torch.utils.data.DistributedSampler(inference, num_replicas=1, rank=0, shuffle=True)
    loader = data_loader(inference, 1, 0, sampler=sampler)  # type: ignore[arg-type]
    loader.set_epoch(3)
    assert sampler.epoch == inference.epoch == 3
    assert len(loader) == 3


def break_image(data: SegmentationDataset, index: int) -> Path:
    path = data.image_paths[index]
    path.write_bytes(b"no picture")
    return path


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_workers_error_is_the_same_line(inference: SegmentationDataset, workers: int, batch_size: int) -> None:
    break_image(inference, 1)
    with pytest.raises(UserError) as direct:
        inference[1]
    with pytest.raises(UserError) as through:
        list(data_loader(inference, batch_size, workers))
    assert type(through.value) is UserError
    assert str(through.value) == str(direct.value)
    assert "\n" not in str(through.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_images_of_two_sizes_in_a_batch_are_named(inference: SegmentationDataset, save: Save, workers: int) -> None:
    for pattern, shape in (("*1_000019_leftImg8bit.png", (32, 40, 3)), ("*1_000019_gtFine_labelIds.png", (32, 40))):
        folder = inference.image_paths[0].parents[3]
        for path in folder.rglob(f"aachen_00000{pattern}"):
            save(path, np.full(shape, 7, np.uint8))
    with pytest.raises(UserError, match=r"aachen_000001.* \(32, 40, 3\) and .*aachen_000002.* \(32, 64, 3\)"):
        list(data_loader(inference, 2, workers))
    assert len(list(data_loader(inference, 1, workers))) == 3


def test_workers_start_after_opencv_used_its_threads(inference: SegmentationDataset, save: Save) -> None:
    """OpenCV's thread pool does not survive a fork: a worker that used it would wait for ever (none is a fork now)."""
    big = np.random.default_rng(0).integers(0, 256, (1024, 2048, 3), np.uint8)
    cv2.GaussianBlur(cv2.resize(big, (4096, 2048)), (31, 31), 0)
    save(inference.image_paths[0], big)
    save(inference.entries[0].label, np.full(big.shape[:2], 7, np.uint8))  # type: ignore[arg-type]
    inference.transform = Blur()
    (batch,) = data_loader(inference, 1, 1, indices=[0])
    assert batch["threads"].tolist() == [1]


seen_by: list[str] = []


class Heir(Dataset[dict[str, object]]):
    """Says what a worker has of its parent: what that did, and whether Ctrl-C ends it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, object]:
        blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return {"parent": ",".join(seen_by), "ignores": str(blocked or signal.getsignal(signal.SIGINT))}


def test_workers_inherit_no_locks_and_leave_ctrl_c_to_their_parent() -> None:
    """A fork beside the threads of a runtime may never wake."""
    seen_by.append("the parent")
    (own,), (worker,) = data_loader(Heir(), 1, 0), data_loader(Heir(), 1, 1)
    assert (own["parent"], worker["parent"]) == (["the parent"], [""])
    assert worker["ignores"] in (["True"], [str(signal.SIG_IGN)])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Dies(Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


class Fails(Dies):
    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        raise RuntimeError("a bug")


def test_a_killed_worker_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"a data worker died .* WORKERS 0"):
        list(data_loader(Dies(), 1, 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_keeps_its_traceback(workers: int) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        list(data_loader(Fails(), 1, workers))


class Blur:
    def __call__(self, image: np.ndarray, label: np.ndarray | None, rng: np.random.Generator) -> dict[str, object]:
        blurred = cv2.GaussianBlur(cv2.resize(image, (4096, 2048)), (31, 31), 0)
        return {"image": torch.from_numpy(blurred), "threads": cv2.getNumThreads()}


def test_datasets_can_travel_to_spawned_workers(training: SegmentationDataset) -> None:
    copy = pickle.loads(pickle.dumps(training))
    assert torch.equal(copy[0]["image"], training[0]["image"])


def test_spread_takes_all_where_there_are_fewer() -> None:
    assert evenly_spaced(3, 64) == [0, 1, 2]
    assert evenly_spaced(367, 64) == [i * 367 // 64 for i in range(64)]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("unable to write to file </torch_7_123_0>: No space left on device (28)"),
        RuntimeError("unable to allocate shared memory(shm) for file </torch_7>: Cannot allocate memory (12)"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error."),
    ],
)
def test_too_little_shared_memory_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker gives 64 MB."""

    def die(self: object) -> None:
        raise error

    loader = data_loader(Dies(), 1, 0)
    monkeypatch.setattr(type(loader.batches), "__iter__", die)
    with pytest.raises(UserError) as caught:
        next(iter(loader))
    assert str(caught.value).endswith(
        "lower WORKERS, set WORKERS 0, or give the container more (docker run --shm-size 1g)"
    )
    assert "\n" not in str(caught.value)
