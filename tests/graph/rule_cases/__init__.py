"""Small modules for every rewrite rule, by subject."""

from tests.graph.rule_cases import arithmetic, layers, mutation, sizes, windows
from tests.graph.rule_cases.case import Case, Refusal

CASES = (*mutation.CASES, *sizes.CASES, *arithmetic.CASES, *windows.CASES, *layers.CASES)

__all__ = ["CASES", "Case", "Refusal"]
