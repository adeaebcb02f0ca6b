"""From plain Python functions to compiled units: typed literals, collected sources, a cache that can't go stale."""

from fastnn.compile.source import typed_source
from fastnn.compile.units import Unit, cache_folder, listeners, load_unit

__all__ = ["Unit", "cache_folder", "listeners", "load_unit", "typed_source"]
