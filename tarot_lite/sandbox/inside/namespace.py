"""Whether the namespace of a module is as it was, told without writing to the objects in it.

Comparing two dictionaries counts a reference to every name and every value up and down again; in a forked process the
kernel then copies every page of memory that they lie on.  The table of a dictionary holds addresses alone, so whether the
table's own bytes are the same says as much.  Where a dictionary does not look as expected, dictionaries are compared.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import Any

__all__ = ["Snapshot"]

_POINTER = 8
_AT_TABLE = 32  # of a dictionary: bytes before the address of its table
_COUNTERS = 16  # of a table: bytes at its start that reading may change
_IS_KNOWN = sys.implementation.name == "cpython" and sys.version_info < (3, 14) and object.__basicsize__ == 2 * _POINTER

_compare_memory = ctypes.PyDLL(None).memcmp  # called with objects made beforehand: allocates nothing


class Snapshot:
    """A namespace as it is now.

    Parameters
    ----------
    namespace
        Dictionary of names that lives as long as this process, such as a module's.

    Examples
    --------
    >>> import types
    >>> module = types.ModuleType("m")
    >>> module.x = []
    >>> snapshot = Snapshot(vars(module))
    >>> module.x.append(1)  # the same object still
    >>> snapshot.holds()
    True
    >>> module.x = [1]
    >>> snapshot.holds()
    False
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._before = dict(namespace)  # these objects live on, so that nothing else comes to lie at their addresses
        self.is_quick = False
        """Whether bytes are compared, and not dictionaries."""
        if not _IS_KNOWN:
            return
        address = id(namespace) + _AT_TABLE
        self._table = ctypes.string_at(address, _POINTER)
        start = int.from_bytes(self._table, sys.byteorder) + _COUNTERS
        self._size = sys.getsizeof(namespace) - sys.getsizeof({}) - _COUNTERS
        self._content = ctypes.string_at(start, self._size)
        self._address, self._start = ctypes.c_void_p(address), ctypes.c_void_p(start)
        entries = (struct.pack("PP", id(name), id(value)) for name, value in self._before.items())
        self.is_quick = all(entry in self._content for entry in entries)

    def holds(self) -> bool:
        """Whether the same names are bound to the same objects; a name that came and went may count as a change."""
        if not self.is_quick:
            return self._namespace == self._before
        return not (
            _compare_memory(self._address, self._table, _POINTER)  # first: another table may lie anywhere
            or _compare_memory(self._start, self._content, self._size)
        )
