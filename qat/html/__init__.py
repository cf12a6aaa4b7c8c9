"""What every page shares: one way of filling in templates, one style sheet, the scales of charts."""

from qat.html.page import templates
from qat.html.scale import tick_step

__all__ = ["templates", "tick_step"]
