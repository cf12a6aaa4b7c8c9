"""A stand-in for the vendor's plugin: documented names and signatures only, enforced; the arithmetic is torch's.

It isn't the plugin. It raises where the documentation says that the plugin fails, and where the plugin would be wrong
in silence. Importing it registers the operations of the integer network, so that a traced one loads only then.
"""

from __future__ import annotations

from . import functional, march, ops, quantization
from .march import March, set_march

__version__ = "1.8.2+stand-in"
__all__ = ["March", "functional", "march", "ops", "quantization", "set_march"]
