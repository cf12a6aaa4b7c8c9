"""What moves values to other places."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compile.operations import call, layer, plain


def focus(y: Tensor) -> Tensor:
    return torch.cat([y[..., ::2, ::2][..., :4, :], y[..., 1::2, 1::2]], 1)


PARTS = (
    call("getitem", "channels", lambda y: y[:, 1:3]),
    call("getitem", "focus", focus),
    call("getitem", "one", lambda y: y[:, 0].unsqueeze(1)),
    call("getitem", "from the end, a new axis", lambda y: y[:, None, ..., -1].squeeze(1).unsqueeze(3)),
    call("getitem", "of a sigmoid", lambda y: y.sigmoid()[:, 2:] * y[:, :2]),
    call("getitem", "moved by a constant", lambda y: (y * 3)[:, 1:]),
    call("getitem", "narrow", lambda y: y.narrow(2, 1, 5), row="narrow"),
    call("getitem", "select", lambda y: y.select(1, -2).unsqueeze(1), row="select"),
    call("getitem", "chunk", lambda y: (lambda a, b: torch.cat([b, a * 2], 1))(*torch.chunk(y, 2, 1)), row="chunk"),
    call("getitem", "split", lambda y: (lambda a, b: torch.cat([b, F.relu(a)], 1))(*y.split([1, 3], 1)), row="split"),
    call("getitem", "tensor_split", lambda y: torch.tensor_split(y, 3, 1)[0] + 1, row="tensor_split"),
    call("getitem", "unbind", lambda y: torch.stack(y.unbind(1)[1:], 1), row="unbind"),
    call("cat", "of a chunk", lambda y: torch.cat(torch.chunk(y, 2, 1)[::-1], 1), row="chunk"),
    call("index_select", "", lambda y: torch.index_select(y, 1, torch.tensor([3, 1]))),
    call("index_select", "by a list", lambda y: y[:, [2, 0, 1]], row="getitem"),
)
JOINED = (
    call("stack", "of two grids", lambda y: torch.stack([y, y.sigmoid()], 2).flatten(1, 2)),
    call("stack", "of one grid", lambda y: torch.stack([y, y], 1).flatten(1, 2)),
    call("cat", "of slices", lambda y: torch.cat([y[:, 2:], y.sigmoid()], 1)),
)
PADDED = (
    call("pad", "zeros", lambda y: F.pad(y, (1, 2, 0, 1))),
    call("pad", "a number", lambda y: F.pad(y, (1, 1), value=0.5)),
    call("pad", "reflected", lambda y: F.pad(y, (1, 2, 2, 1), mode="reflect")),
    call("pad", "replicated", lambda y: F.pad(y, (1, 2, 2, 1), mode="replicate")),
    call("pad", "circular", lambda y: F.pad(y, (1, 2, 2, 1), mode="circular")),
    call("pad", "channels", lambda y: F.pad(y, (0, 0, 0, 0, 1, 1))),
    call("pad", "cropped", lambda y: F.pad(y, (-1, 0, 0, -2))),
    layer("pad", "ZeroPad2d", lambda: nn.ZeroPad2d(1), row="pad_layer"),
    layer("pad", "ConstantPad2d", lambda: nn.ConstantPad2d((1, 0, 2, 0), 0.3), row="pad_layer"),
    layer("pad", "ReflectionPad2d", lambda: nn.ReflectionPad2d(2), row="pad_reflect"),
    layer("pad", "ReplicationPad2d", lambda: nn.ReplicationPad2d((1, 2, 3, 0)), row="pad_replicate"),
)
ORDER = (
    call("flip", "", lambda y: y.flip(1, 3)),
    call("roll", "", lambda y: torch.roll(y, (1, -2), (2, 3))),
    call("roll", "flat", lambda y: y.roll(5)),
    layer("channel_shuffle", "", lambda: nn.ChannelShuffle(2)),
    call("permute", "movedim", lambda y: torch.movedim(y, 1, 3), row="movedim"),
    call("transpose", "swapaxes", lambda y: y.swapaxes(2, 3)),
    call("transpose", "shuffle by hand", lambda y: y.view(1, 2, 2, 9, 12).transpose(1, 2).reshape(1, 4, 9, 12)),
    call("expand", "", lambda y: y[:, :1].expand(-1, 4, -1, -1)),
    plain("expand", "as another", lambda y: y.mean((2, 3), keepdim=True).expand_as(y), row="expand_as"),
    call("repeat_interleave", "", lambda y: y.repeat_interleave(2, 1)),
    plain("unflatten", "", lambda y: y.unflatten(1, (2, 2)).flatten(2, 3)),
    call("mul", "detached", lambda y: y.detach().contiguous() * y, row="detach"),
    call("mul", "cloned", lambda y: y.clone() * y, row="clone"),
    call("mul", "contiguous", lambda y: y.contiguous() * y, row="contiguous"),
    layer("conv2d", "dropout", lambda: nn.Sequential(nn.Dropout(), nn.Conv2d(4, 4, 1)), row="dropout"),
    layer("conv2d", "identity", lambda: nn.Sequential(nn.Identity(), nn.Conv2d(4, 4, 1)), row="identity"),
)
MOVES = (*PARTS, *JOINED, *PADDED, *ORDER)
