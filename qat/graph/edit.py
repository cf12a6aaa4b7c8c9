"""Small edits of a graph: new nodes keep the source line of what they replace and know their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.fx import Node

from qat.graph.nodes import owner_of
from qat.graph.shapes import infer

FOLLOWS = "follows_picture"
KEPT = ("stack_trace", "nn_module_stack", FOLLOWS)


def follow_picture(node: Node) -> None:
    """Record that settings of `node`, such as a pooling's window, were computed from the example's size.

    A node that a later rule puts in the place of `node` has the record too, and so has a copy of the graph.
    """
    node.meta[FOLLOWS] = True


def follows_picture(node: Node) -> bool:
    """Whether settings of `node` follow the picture's size; settings that happen to equal a size need not."""
    return bool(node.meta.get(FOLLOWS))


def call(target: Callable[..., Any], *args: Any, like: Node, **kwargs: Any) -> Node:
    """A call of a function, just before `like` and in its place of the source."""
    with like.graph.inserting_before(like):
        return _dressed(like.graph.call_function(target, args, kwargs), like)


def call_method(name: str, *args: Any, like: Node, after: Node | None = None) -> Node:
    """A call of a tensor's method, just before `like`, or `after` a node."""
    with like.graph.inserting_after(after) if after else like.graph.inserting_before(like):
        return _dressed(like.graph.call_method(name, args), like)


def call_module(name: str, module: nn.Module, *args: Any, like: Node, after: Node | None = None) -> Node:
    """A call of the new submodule `name`, registered beside `like`'s module; just before `like`, or `after` a node."""
    path, graph = _free_name(like, name), like.graph
    owner_of(like).add_submodule(path, module)
    with graph.inserting_after(after) if after else graph.inserting_before(like):
        return _dressed(graph.call_module(path, args), like)


def constant(name: str, value: Tensor, like: Node, persistent: bool = True) -> Node:
    """A new buffer of the module, read just before `like`; one that isn't `persistent` is in no checkpoint."""
    path = _free_name(like, name).replace(".", "_")
    owner_of(like).register_buffer(path, value, persistent)
    with like.graph.inserting_before(like):
        return _dressed(like.graph.get_attr(path), like)


def replace(old: Node, new: Node) -> None:
    """Let every reader of `old` read `new`, and erase `old`."""
    old.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
    old.graph.erase_node(old)


def readers_after(node: Node, tensor: Node) -> list[Node]:
    """The readers of `tensor` that run after `node`, in order."""
    nodes = list(node.graph.nodes)
    return [reader for reader in nodes[nodes.index(node) + 1 :] if tensor in reader.all_input_nodes]


def _dressed(new: Node, like: Node) -> Node:
    new.meta.update({key: like.meta[key] for key in KEPT if key in like.meta})
    infer(new)
    return new


def _free_name(like: Node, name: str) -> str:
    """`name` beside `like`'s own module, numbered from the second on."""
    stack = list(like.meta.get("nn_module_stack", {}).values())
    parent = str(stack[-1][0]) if stack else ""
    if like.op == "call_module":
        parent = str(like.target).rpartition(".")[0]
    owner = owner_of(like)
    taken = {key for key, _ in owner.named_modules()} | set(owner.state_dict()) | set(dict(owner.named_buffers()))
    path = f"{parent}.{name}" if parent else name
    free, number = path, 1
    while free in taken or free.replace(".", "_") in taken or hasattr(owner, free):
        free, number = f"{path}_{number}", number + 1
    return free
