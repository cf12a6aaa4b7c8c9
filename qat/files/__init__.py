"""Files and folders that appear whole or not at all, hashes, and the content of JSON and YAML files."""

from qat.files.content import (
    json_text,
    known_sha256,
    read_json,
    sha256,
    sha256_text,
    text_of,
    write_json,
    write_text,
)
from qat.files.listing import files_below
from qat.files.locks import alone
from qat.files.parts import restored, scratch_folder, short_name, sweep
from qat.files.place import check_place
from qat.files.replacement import atomic_path, remove, replaced_folder
from qat.files.yaml_mapping import read_yaml

__all__ = [
    "alone",
    "atomic_path",
    "check_place",
    "files_below",
    "json_text",
    "known_sha256",
    "read_json",
    "read_yaml",
    "remove",
    "replaced_folder",
    "restored",
    "scratch_folder",
    "sha256",
    "sha256_text",
    "short_name",
    "sweep",
    "text_of",
    "write_json",
    "write_text",
]
