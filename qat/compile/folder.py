"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qat.errors import UserError


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill; it takes `folder`'s place only if the block ends well.

    What was in `folder` stays untouched otherwise. Raises UserError where the disk is full or can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            made = Path(aside, "made")
            made.mkdir()
            yield made
            if folder.exists():
                os.replace(folder, Path(aside, "before"))
            os.replace(made, folder)
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0]
        raise UserError(f"can't write {folder}: {reason}; check the folder and the free space") from error
    except RuntimeError as error:  # torch.jit.save's own for a full disk
        if "file" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        reason = str(error).split("\n")[0]
        raise UserError(f"can't write {folder}: {reason}; check the folder and the free space") from error
