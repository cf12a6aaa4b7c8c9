from __future__ import annotations

import pytest

from qat.models import NAMES, build_model
from qat.models.branches import BRANCHES, branches_of


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_of_pidnet_belongs_to_one_branch(name: str) -> None:
    own = [child for child, _ in build_model(name, num_classes=2).named_children()]
    listed = [attribute for branch in BRANCHES["pidnet"] for attribute in branch.attributes]
    assert sorted(listed) == sorted(set(own) - {"relu"})  # the branches share one ReLU


def test_a_network_that_lacks_a_branch_is_another_network() -> None:
    names = [branch.attributes[0] for branch in BRANCHES["pidnet"]]
    assert branches_of(names) == BRANCHES["pidnet"]
    assert branches_of(names[:-1]) == ()
