"""The driver: rules in order, again and again until none fires, each proven on the example, all of it logged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from torch.fx import GraphModule, Node

from qat.graph.attention import ATTENTION
from qat.graph.proof import TOLERANCE, Judge
from qat.graph.rules import RULES, Rule
from qat.graph.rules.in_place import is_in_place
from qat.graph.source import source_of
from qat.graph.trace import Example, inputs_of, trace
from qat.targets import Target, get_target

MAX_ROUNDS = 20


@dataclass(frozen=True)
class Fired:
    """A rule changed the graph at `node`, which came from `source` (file:line): `what` says how."""

    rule: str
    node: str
    source: str
    what: str


@dataclass(frozen=True)
class Refused:
    """A rule found its pattern at `node` and left it, for `reason`."""

    rule: str
    node: str
    source: str
    reason: str


@dataclass(frozen=True)
class Proof:
    """The outputs' largest difference from the model's after `rule` fired, relative to the largest output."""

    rule: str
    difference: float
    tolerance: float


@dataclass(frozen=True)
class RewriteLog:
    """What the driver did, in order; refusals as they stand at the end."""

    fired: tuple[Fired, ...] = ()
    refused: tuple[Refused, ...] = ()
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True)
class Rewritten:
    """A graph that computes what the model does, in the forms that `target` takes, between stubs."""

    module: GraphModule
    log: RewriteLog
    shapes: tuple[tuple[int, ...], ...]
    target: str


class RewriteError(RuntimeError):
    """A rule changed the function: a mistake in the rule, not in the model."""


def rewrite(model: nn.Module, example: Example, target: str | Target, prove: bool = True) -> Rewritten:
    """Rewrite a network for a target; the model itself, its weights and its source stay as they are.

    After every rule that fired, the graph's outputs on the example and on one random input are compared with the
    model's.

    Args:
        model: a float network in eval mode, which torch.fx can trace.
        example: its input tensor (N, channels, H, W) of the deployed size, or a sequence of them; sizes become
            constants.
        target: a target's name, such as x86 or j5, or its table.
        prove: whether outputs are compared; a graph that was proven before is made again without.

    Returns:
        The graph, and the log of rules that fired or refused, with the model's source lines.

    Raises:
        UserError: if the model can't be traced, doesn't take the example, or gives other outputs each time.
        RewriteError: if a rule changed the outputs by more than `TOLERANCE` of their scale.

    Example:
        >>> import torch, qat
        >>> class Gate(torch.nn.Module):
        ...     def forward(self, x):
        ...         return 1 - torch.sigmoid(x)
        >>> rewritten = qat.rewrite(Gate(), torch.randn(1, 3, 8, 8), "x86")
        >>> [entry.rule for entry in rewritten.log.fired]
        ['constant_minuend', 'quant_stub', 'dequant_stub']
    """
    table = get_target(target) if isinstance(target, str) else target
    inputs = inputs_of(example)
    module = trace(model, inputs, ATTENTION in table.rows)
    session = _Session(module, Judge(model, inputs) if prove else None)
    session.prove("trace")
    rules = [rule for rule in RULES if rule.name in table.rules]
    for _ in range(MAX_ROUNDS):
        if not session.round(rules):
            break
    return Rewritten(module, session.log(), tuple(tuple(x.shape) for x in inputs), table.name)


class _Session:
    """The graph being rewritten and its log."""

    def __init__(self, module: GraphModule, judge: Judge | None) -> None:
        self.module, self.judge = module, judge
        self.fired: list[Fired] = []
        self.refused: list[Refused] = []
        self.proofs: list[Proof] = []

    def round(self, rules: list[Rule]) -> bool:
        """Apply every rule once; whether any fired."""
        self.refused = []
        fired = [self.apply(rule) for rule in rules]
        return any(fired)

    def apply(self, rule: Rule) -> bool:
        fired = list(self._fire(rule))
        if fired:
            self.fired += fired
            self._settle()
            self.prove(rule.name)
        return bool(fired)

    def _fire(self, rule: Rule) -> Iterator[Fired]:
        nodes = self.module.graph.nodes
        standing = set(nodes)  # an application may take further nodes away
        for node in list(nodes):
            if node not in standing or not rule.match(node):
                continue
            name, source = node.name, source_of(node)
            if reason := rule.check(node):
                self.refused.append(Refused(rule.name, name, source, reason))
                continue
            yield Fired(rule.name, name, source, rule.apply(node))
            standing = set(nodes)

    def _settle(self) -> None:
        self.module.graph.eliminate_dead_code(is_impure_node=_must_stay)
        self.module.graph.lint()
        self.module.delete_all_unused_submodules()
        self.module.recompile()

    def prove(self, rule: str) -> None:
        if self.judge is None:
            return
        difference = self.judge.difference(self.module)
        self.proofs.append(Proof(rule, difference, TOLERANCE))
        if not difference <= TOLERANCE:
            self.judge.check_repeats()
            raise RewriteError(f"{rule} changed the outputs by {difference:.2g} of their scale (tolerance {TOLERANCE})")

    def log(self) -> RewriteLog:
        return RewriteLog(tuple(self.fired), tuple(self.refused), tuple(self.proofs))


def _must_stay(node: Node) -> bool:
    return node.is_impure() or is_in_place(node)
