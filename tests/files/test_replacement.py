"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qat.errors import UserError
from qat.files import atomic_path, replaced_folder, write_text

BIG = {"weight": torch.zeros(50_000)}


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The system refuses to write more than `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_half(path: Path, error: BaseException) -> None:
    with atomic_path(path) as aside:
        aside.write_text("half")
        raise error


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(path) as aside:
        aside.write_text("text")
        assert aside.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "text"
    assert os.listdir(path.parent) == ["file.txt"]


def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyError):
        write_half(path, KeyError())
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "file.txt", KeyboardInterrupt())
    assert os.listdir(tmp_path) == []


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "a long old text")
    write_text(path, "Straße")
    assert path.read_bytes() == "Straße".encode()


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("x" * 100_000),
        lambda path: torch.save(BIG, path),
        lambda path: save_file(BIG, path),
    ],
    ids=["text", "torch", "safetensors"],
)
def test_a_full_disk_is_the_user_s_error(tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UserError) as caught, no_file_above(1000), atomic_path(path) as aside:
        write(aside)
    assert str(caught.value).startswith(f"can't write {path}: ")
    assert str(caught.value).endswith("; check the folder and the free space")
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_read_only_file_system_is_the_user_s_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # it says so for a file that isn't there, too
    with pytest.raises(UserError, match=f"can't write {tmp_path}/file: Read-only file system; check"):
        write_text(tmp_path / "file", "text")


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"can't write {tmp_path}/file/below: "):
        write_text(tmp_path / "file" / "below", "text")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"can't write {tmp_path}: Is a directory"):
        write_text(tmp_path, "text")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dataset" / "compile"
    made.mkdir(parents=True)
    (made / "earlier").write_text("earlier")
    return made


def is_untouched(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["earlier"] and [*folder.parent.iterdir()] == [folder]


def test_it_replaces_the_whole_folder(folder: Path) -> None:
    with replaced_folder(folder) as aside:
        (aside / "new").write_text("new")
        assert [path.name for path in folder.iterdir()] == ["earlier"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [*folder.parent.iterdir()] == [folder]


def test_it_makes_a_folder_where_there_was_none(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "a" / "b"):
        pass
    assert (tmp_path / "a" / "b").is_dir()


def test_a_failure_leaves_no_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no calibration"), replaced_folder(tmp_path / "a" / "b" / "compile"):
        raise UserError("no calibration")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug"), RuntimeError("a bug")])
def test_other_errors_stay_what_they_are(folder: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as seen, replaced_folder(folder):
        raise error
    assert seen.value is error
    assert is_untouched(folder)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed\nException raised from x"),
    ],
)
def test_a_full_disk_is_one_line(folder: Path, error: Exception) -> None:
    said = r"^can't write .*/compile: .*; check the folder"
    with pytest.raises(UserError, match=said) as seen, replaced_folder(folder):
        raise error
    assert "\n" not in str(seen.value)
    assert is_untouched(folder)


def test_a_users_mistake_names_the_folder_that_the_user_knows(folder: Path) -> None:
    with pytest.raises(UserError) as seen, replaced_folder(folder) as aside:
        raise UserError(f"can't write {aside / 'x.json'}")
    assert str(seen.value) == f"can't write {folder / 'x.json'}"
    assert is_untouched(folder)


def test_the_earlier_folder_comes_back_if_the_new_one_cannot_take_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match="Input/output error"), replaced_folder(folder):
        pass
    assert is_untouched(folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(folder: Path) -> None:
    with pytest.raises(UserError, match="No space left on device"), replaced_folder(folder):
        Path("/dev/full").write_bytes(b"0" * 9999)
    assert is_untouched(folder)


def test_ctrl_c_between_the_two_renames_brings_the_earlier_folder_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def interrupt(source: Path, target: Path) -> None:
        real(source, target)
        if Path(source) == folder:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt), replaced_folder(folder):
        pass
    assert is_untouched(folder)


def test_it_is_on_the_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real = os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(os.readlink(f"/proc/self/fd/{handle}")))
    monkeypatch.setattr(os, "replace", lambda source, target: done.append("rename") or real(source, target))
    write_text(tmp_path / "file", "text")
    assert done[0].endswith(".part")
    assert done[1:] == ["rename", str(tmp_path)]


def test_a_disk_that_loses_the_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", lose)
    with pytest.raises(UserError, match=r"can't write .*file: Input/output error"):
        write_text(tmp_path / "file", "text")
    assert os.listdir(tmp_path) == []


def test_the_longest_name_that_a_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("采" * 85)
    write_text(path, "text")
    assert os.listdir(tmp_path) == [path.name]


def test_a_nul_in_a_name_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has a NUL character"):
        write_text(tmp_path / "a\0b", "text")
    with pytest.raises(UserError, match="has a NUL character"), replaced_folder(tmp_path / "a\0b"):
        pass
