"""BiSeNet: a branch for detail and one for context, in two versions."""

from __future__ import annotations

from qat.models.bisenet import v1, v2

NETWORKS = (*v1.NETWORKS, *v2.NETWORKS)
