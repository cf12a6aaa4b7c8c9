"""Finds a file's facts: in an ONNX file's metadata, in an OpenVINO file's rt_info, else in model.json beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from qat.deploy.facts import Facts, facts_of
from qat.errors import UserError

BESIDE = "model.json"
_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2  # field numbers of ModelProto and StringStringEntryProto (onnx.proto)
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types (protobuf.dev/programming-guides/encoding)


def read_facts(path: Path) -> Facts:
    """The facts of a file.

    Raises UserError: no such file, a damaged one, or one that says nothing and has no model.json beside it.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    texts, source = _own(path), path
    beside = path.with_name(BESIDE)
    if "task" not in texts and beside.is_file():
        texts, source = _json(beside), beside
    return facts_of(texts, source)


def _own(path: Path) -> dict[str, Any]:
    try:
        if path.suffix.lower() == ".onnx":
            return onnx_metadata(path.read_bytes())
        return _rt_info(path) if path.suffix.lower() == ".xml" else {}
    except (ValueError, IndexError, ElementTree.ParseError) as error:
        raise UserError(f"{path} is damaged ({error}); compile it again") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); compile writes it again") from error


def _rt_info(path: Path) -> dict[str, Any]:
    """What OpenVINO keeps of an ONNX file's metadata."""
    found = ElementTree.parse(path).getroot().find("rt_info/framework")
    return {} if found is None else {entry.tag: entry.get("value", "") for entry in found}


def onnx_metadata(data: bytes) -> dict[str, str]:
    """The metadata_props of an ONNX file's bytes, read without the package onnx. ValueError for other bytes.

    >>> onnx_metadata(bytes([0x72, 10, 0x0A, 4]) + b"task" + bytes([0x12, 2]) + b"ok")
    {'task': 'ok'}
    """
    entries = [dict(_fields(value)) for number, value in _fields(data) if number == _METADATA_PROPS]
    return {entry.get(_KEY, b"").decode(): entry.get(_VALUE, b"").decode() for entry in entries}


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field of a protobuf message that holds bytes; other fields are passed over."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind, length = tag & 7, 0
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_EIGHT, _FOUR):
            length = 8 if kind == _EIGHT else 4
        else:
            raise ValueError("no protobuf message")
        if at + length > len(data):
            raise ValueError("it ends in the middle of a field")
        if kind == _BYTES:
            yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the place behind it."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1
