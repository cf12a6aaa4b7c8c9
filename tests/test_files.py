from __future__ import annotations

import errno
import hashlib
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qat.errors import UserError
from qat.files import atomic_path, read_json, read_yaml, replaced_folder, sha256, sha256_text, write_json, write_text

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


def test_json_comes_back_as_written(tmp_path: Path) -> None:
    value = {"mean_iou": 0.1 + 0.2, "names": ["Straße"], "none": None}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"], ids=["empty", "cut", "not utf-8"])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not valid JSON .*; delete it and rerun the stage that writes it"):
        read_json(path)


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"can't read {tmp_path}/none.json: No such file"):
        read_json(tmp_path / "none.json")


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("Straße".encode())
    assert sha256(tmp_path / "file") == sha256_text("Straße") == hashlib.sha256("Straße".encode()).hexdigest()


def test_hash_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"can't read {tmp_path}/none: No such file"):
        sha256(tmp_path / "none")


def aliases(row: str) -> str:
    """Eight rows, each of nine aliases of the row before."""
    return "\n".join(f"a{i}: " + row.format(now=i, before=", ".join([f"*a{i - 1}"] * 9)) for i in range(1, 9))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "is nested too deep"),
        ("a: &a {b: *a}", "grows beyond 10000 values by its aliases"),
        ("a0: &a0 [1]\n" + aliases("&a{now} [{before}]"), "grows beyond"),
        ("a0: &a0 {k: 1}\n" + aliases("&a{now} {{<<: [{before}]}}"), "grows beyond"),
        ("- a", "holds no keys; expected a YAML mapping such as A: 1"),
        ("", "holds no keys"),
        ("a: [", "is not valid YAML"),
        ("a: 2024-13-45", "is not valid YAML"),
        ("a: 1\nb: 2\na: 3", "has the key a twice, in lines 1 and 3; keep one of them"),
        ("a:\n  - {b: 1, c: {d: 1, 'd': 2}}", "has the key d twice, in lines 2 and 2"),
    ],
    ids=["deep", "itself", "aliases of aliases", "merged", "list", "empty", "open", "no date", "twice", "twice below"],
)
def test_yaml_that_is_no_mapping_or_grows(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(path, "A: 1")
    assert str(caught.value).startswith(f"{path} {said}")
    assert "\n" not in str(caught.value)


def test_yaml_that_cant_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for name, said in (("none", "can't read .*: No such file"), ("", "Is a directory"), ("binary", "not valid YAML")):
        with pytest.raises(UserError, match=said):
            read_yaml(tmp_path / name, "A: 1")


def test_an_alias_in_yaml_is_its_value(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("a: &size [1, 2]\nb: *size")
    assert read_yaml(tmp_path / "some.yaml", "A: 1") == {"a": [1, 2], "b": [1, 2]}


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
