"""Tests that need a GPU have `@pytest.mark.gpu` and `@needs_gpu`."""

from __future__ import annotations

import pytest
import torch

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch.cuda.is_available() is False")
