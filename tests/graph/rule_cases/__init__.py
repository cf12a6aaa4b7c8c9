"""Small modules for every rewrite rule, by subject."""

from tests.graph.rule_cases import arithmetic, gates, layers, mutation, sizes, windows
from tests.graph.rule_cases.case import Case, Refusal

CASES = (*mutation.CASES, *sizes.CASES, *arithmetic.CASES, *windows.CASES, *layers.CASES, *gates.CASES)

__all__ = ["CASES", "Case", "Refusal"]
