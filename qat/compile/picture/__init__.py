"""Pictures of a program: graph.svg to hang up, graph.html to look into."""

from qat.compile.picture.layout import Layout, layout
from qat.compile.picture.svg import Errors, html_of, svg_of, write_picture

__all__ = ["Errors", "Layout", "html_of", "layout", "svg_of", "write_picture"]
