"""Each of J5's limits is broken by a module, and kept by its neighbour where there is one."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.graph import check, rewrite
from qat.models import build_model
from qat.targets import J5, J5_PTQ, Target
from tests.graph.operators import SAMPLES, Net
from tests.targets.j5_cases import BROKEN, SHAPE, Broken, Fn, conv


def limits_broken(model: Any, shape: tuple[int, ...], rewritten: bool) -> set[tuple[str, str, str]]:
    """(op, limit, severity) of every violation: a limit is known by its fix."""
    module = model if isinstance(model, nn.Module) else Fn(model)
    x = torch.zeros(1).expand(shape)
    if rewritten:
        module = rewrite(module, x, "j5").module
    return {
        (found.op, limit.name, limit.severity)
        for found in check(module, x, "j5")
        for limit in J5.limits(found.op)
        if (limit.fix, limit.severity) == (found.fix, found.severity) and _says(limit.message, found.message)
    }


def _says(template: str, message: str) -> bool:
    """Whether `message` is `template` filled in, as far as the text before its first field tells."""
    return message.startswith(template.partition("{")[0]) and message.endswith(template.rpartition("}")[2])


def title(case: Broken) -> str:
    return f"{case.op}: {case.limit}"


@pytest.mark.parametrize("case", BROKEN, ids=title)
def test_broken_limit_is_found(case: Broken) -> None:
    assert (case.op, case.limit) in {found[:2] for found in limits_broken(case.model, case.shape, case.rewritten)}


@pytest.mark.parametrize("case", [case for case in BROKEN if case.legal is not None], ids=title)
def test_kept_limit_is_not(case: Broken) -> None:
    found = limits_broken(case.legal, case.legal_shape or case.shape, case.rewritten)
    assert (case.op, case.limit) not in {entry[:2] for entry in found}


def test_every_limit_has_a_case() -> None:
    """Limits that rows share need one case."""
    shared: dict[int, set[str]] = {}
    for op in (*J5.rows, "unsqueeze"):
        for limit in J5.limits(op):
            shared.setdefault(id(limit) if limit.name != "unsupported" else 0, set()).add(f"{op}: {limit.name}")
    tested = {title(case) for case in BROKEN}
    assert [names for names in shared.values() if not names & tested] == []


@pytest.mark.parametrize("name", ["pidnet_s", "pidnet_m", "pidnet_l"])
def test_pidnet_at_the_cameras_size(name: str) -> None:
    """Computed sizes, constant minuends, dropped axes: errors until the rewrites; lookup tables and BN stay."""
    model, picture = build_model(name, 19).eval(), torch.zeros(1).expand(1, 3, 1024, 2048)
    before = Counter(found.severity for found in check(model, picture, "j5"))
    after = check(rewrite(model, picture, "j5", prove=False).module, picture, "j5")
    assert before["error"] == 16
    assert {(found.op, found.severity) for found in after} == {("sigmoid", "warning"), ("batch_norm", "warning")}


@pytest.mark.parametrize("table", [J5, J5_PTQ], ids=lambda table: table.name)
def test_every_row_and_limit_cites_its_document_and_line(table: Target) -> None:
    """Or says how it is known otherwise."""
    document = {"j5": r"note\.md:\d+", "j5_ptq": r"supported_op_list\.md:\d+"}[table.name]
    for row in table.rows.values():
        assert re.fullmatch(document, row.source), row
        for limit in row.limits:
            source = table.source(row.op, limit)
            assert re.fullmatch(document, source) or "walkthrough" in source, (row.op, limit.name)


@pytest.mark.parametrize("op", SAMPLES)
def test_no_sample_of_an_operation_is_an_error_without_a_reason(op: str) -> None:
    """An operation with a row passes as its sample calls it, one without is a warning that says so."""
    found = [each for each in check(Net(SAMPLES[op]).eval(), torch.zeros(1, 4, 8, 8), "j5") if each.op == op]
    errors = [each for each in found if each.severity == "error"]
    assert bool(errors) == (op in (J5.fails or ())), errors
    if op not in J5.rows and not errors:
        assert "no row" in found[0].message
    assert all(each.document for each in found if op in J5.rows)
    on_the_other_road = check(Net(SAMPLES[op]).eval(), torch.zeros(1, 4, 8, 8), "j5_ptq")
    assert all(each.severity == "warning" for each in on_the_other_road)  # hb_mapper leaves it to the CPU


class QuickStart(nn.Module):
    """What the vendor's Bayes quick start is made of, and prints figures of."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32)),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(32, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


@pytest.mark.parametrize("target", ["j5", "j5_ptq"])
def test_the_vendors_quick_start_has_no_error(target: str) -> None:
    model, picture = QuickStart().eval(), torch.randn(1, 3, 224, 224)
    assert [found for found in check(model, picture, target) if found.severity == "error"] == []
    rewritten = rewrite(model, picture, target)
    assert [found for found in check(rewritten.module, picture, target) if found.severity == "error"] == []
    assert "tail" not in " ".join(found.message for found in check(rewritten.module, picture, target))


class Walkthrough(nn.Module):
    """PIDNet's places that the walkthrough rewrote: PagFM's sum and its minuend, Light_Bag's and DDFMv2's minuends."""

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(torch.sum(x * x, dim=1).unsqueeze(1))
        edge = torch.sigmoid(x)
        return (1 - gate) * x + gate * x + (1 - edge) * x + edge * x


def test_the_walkthroughs_rewrites_are_errors_before_and_none_after() -> None:
    picture = torch.randn(SHAPE)
    before = [found.op for found in check(Walkthrough(), picture, "j5") if found.severity == "error"]
    assert sorted(before) == ["sub", "sub", "unsqueeze"]
    after = check(rewrite(Walkthrough(), picture, "j5").module, picture, "j5")
    assert [found for found in after if found.severity == "error"] == []


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (lambda x: x.argmax(2), "argmax along 2"),
        (lambda x: x.sum((1, 2), True), "sum over (1, 2)"),
        (lambda x: x.mean((1, 2), True), "mean over (1, 2)"),
        (lambda x: x.mean(1), "mean drops its axis"),
        (lambda x: F.interpolate(x, (48, 48)), "nearest from"),
        (lambda x: F.interpolate(x, (48, 48), mode="bicubic"), "mode bicubic"),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), "mode replicate"),
        (lambda x: torch.cat([x, x]), "it works along the batch"),
        (lambda x: x / 2, "div takes two computed tensors"),
        (nn.PReLU(), "prelu has no BPU row"),
        (nn.Softmax(1), "softmax runs on the CPU unless run_on_bpu names it"),
        (nn.GELU(), "j5_ptq's documents have no row for gelu"),
        (conv(kernel=2, dilation=3), "dilation (3, 3) of"),
        (conv(stride=257), "stride (257, 257) is above 256"),
        (nn.PixelShuffle(1), "pixel_shuffle by another factor than 2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_hb_mapper_leaves_to_the_cpu(model: Any, limit: str) -> None:
    module = model if isinstance(model, nn.Module) else Fn(model)
    found = check(module, torch.zeros(SHAPE), "j5_ptq")
    assert any(limit in each.message and each.severity == "warning" for each in found), found


def test_pidnet_runs_on_the_bpu_alone() -> None:
    model, picture = build_model("pidnet_s", 19).eval(), torch.zeros(1).expand(1, 3, 1024, 2048)
    assert check(rewrite(model, picture, "j5_ptq", prove=False).module, picture, "j5_ptq") == []


@pytest.mark.parametrize("op", sorted(J5.missing))
def test_fixes_are_for_what_the_device_has_not(op: str) -> None:
    assert op not in J5.rows
