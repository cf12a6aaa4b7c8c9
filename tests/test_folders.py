from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from qat.errors import UserError
from qat.folders import replaced_folder


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
        if Path(source).name == "made":
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
