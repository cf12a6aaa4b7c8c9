"""In CI a test is skipped for one of these reasons, or it fails: what is missing there by mistake is seen."""

from __future__ import annotations

import os
import re
from collections.abc import Generator

import pytest

ALLOWED = re.compile(
    "needs CamVid|no CamVid checkpoint|needs the trained checkpoint"  # CC BY-NC: never part of the project
    "|CITYSCAPES_DATASET|PIDNET_S_CITYSCAPES"  # licensed to each user
    "|needs a GPU"
    "|this CPU has no AVX512-VNNI to switch off"
)
BY_NAME = "ALLOWED_SKIPS"  # a regular expression of more of them, from the environment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test's own skip."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file's skip."""
    return _judged((yield))


def _judged(report):  # type: ignore[no-untyped-def]  # a TestReport or a CollectReport
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not allowed(reason):
            report.outcome, report.longrepr = "failed", f"skipped, which CI doesn't expect: {reason}"
    return report


def allowed(reason: str) -> bool:
    """Whether a test may be skipped in CI for that reason."""
    more = os.environ.get(BY_NAME)
    return bool(ALLOWED.search(reason) or (more and re.search(more, reason)))
