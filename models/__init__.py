"""Built-in models."""

from . import baserate_mlm

__all__ = ["baserate_mlm"]
