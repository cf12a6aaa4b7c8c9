"""A YAML file that holds a mapping; one that grows beyond measure or has a key twice is refused."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from qat.errors import UserError, quoted

_MOST_NODES = 10_000  # of a YAML file; the longest config has 200


def read_yaml(path: str | Path, example: str) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping; `example`: a mapping for the error's text.

    Raises UserError if the file can't be read, isn't YAML, isn't a mapping, or grows too large (aliases of aliases,
    deep nesting).
    """
    try:
        tree = copy.deepcopy(_parsed(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}") from error
    except _Growth as error:
        raise UserError(f"{path} grows beyond {_MOST_NODES} values by its aliases; write the values out") from error
    except _Doubled as error:
        raise UserError(f"{path} has the key {error}; keep one of them") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep; expected a mapping such as {example}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {quoted(str(error))}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no keys; expected a YAML mapping such as {example}")
    return tree


class _Growth(Exception):
    """The aliases, written out, make more than _MOST_NODES values, or one contains itself."""


@lru_cache(maxsize=32)  # a run asks for its config and its descriptor again and again
def _parsed(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _written_out(root, {}) > _MOST_NODES:
            raise _Growth
        _check_keys(root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _written_out(node: yaml.Node, sizes: dict[int, float]) -> float:
    """Returns the number of nodes with every alias replaced; infinite if one contains itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")  # until it is known: only a node inside this one asks before
        value = node.value if isinstance(node, yaml.CollectionNode) else []
        below = [part for item in value for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_written_out(part, sizes) for part in below)
    return sizes[id(node)]


class _Doubled(Exception):
    """A key that a mapping has twice, of which YAML would silently take the later."""


def _check_keys(node: yaml.Node) -> None:
    """Raises _Doubled for the first key that a mapping has twice."""
    lines: dict[str, int] = {}
    for part in node.value if isinstance(node, yaml.CollectionNode) else ():
        key, value = part if isinstance(part, tuple) else (None, part)
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in lines:
                raise _Doubled(f"{key.value} twice, in lines {lines[key.value]} and {line}")
            lines[key.value] = line
        _check_keys(value)
