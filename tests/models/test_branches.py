from __future__ import annotations

import pytest

from qat.models import NETWORKS, NetworkSpec, branches_of

BRANCHED = [network for network in NETWORKS if network.branches]


@pytest.mark.parametrize("network", BRANCHED, ids=lambda network: network.name)
def test_every_attribute_belongs_to_one_branch(network: NetworkSpec) -> None:
    own = [child for child, _ in network.build(2, False).named_children()]
    listed = [attribute for branch in network.branches for attribute in branch.attributes]
    assert sorted(listed) == sorted(set(own) - {"relu"})  # the branches share one ReLU


@pytest.mark.parametrize("network", BRANCHED, ids=lambda network: network.name)
def test_a_network_that_lacks_a_branch_is_another_network(network: NetworkSpec) -> None:
    names = [branch.attributes[0] for branch in network.branches]
    assert branches_of(names) == network.branches
    assert branches_of(names[:-1]) == ()
