"""Several processes of one command: how they start, share work by blocks of pictures, and end together."""

from qat.distributed.channel import Ended, OtherProcessFailed, OwnFailure
from qat.distributed.group import ALONE, Group, current, joined
from qat.distributed.launch import launch

__all__ = ["ALONE", "Ended", "Group", "OtherProcessFailed", "OwnFailure", "current", "joined", "launch"]
