"""What a kernel takes of a multiprocessor, read from its machine code: registers, shared memory, stack. No GPU and no tool of NVIDIA's is asked.

A cubin is an ELF file. Section `.nv.info` is a row of records (form, attribute, value); those for the registers and the stack of a function carry
its index in the table of symbols. Static shared memory is the size of section `.nv.shared.<kernel>`. Registers that are spilled and local arrays
that do not fit into registers lie on the stack: a kernel without a stack keeps all it computes with in registers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Resources", "resources"]

REGISTERS, FRAME, STACK = 0x2F, 0x11, 0x12
"""Attributes of `.nv.info`, which CUDA calls REGCOUNT, FRAME_SIZE (of a function) and MIN_STACK_SIZE (of a kernel, with what it calls)."""

SIZED = 4
"""The form of a record whose value has its size before it; values of the others have two bytes."""

MACHINE = 190
"""NVIDIA CUDA, in the header of an ELF file."""


class Resources(NamedTuple):
    """Of a kernel: registers a thread, static shared memory a block in bytes, stack a thread in bytes (spills and local arrays).

    From compute capability 9.0 on, a kernel that has shared memory has 1024 bytes more of it, which CUDA keeps for itself.
    """

    registers: int
    shared_bytes: int
    stack_bytes: int


class _Section(NamedTuple):
    offset: int
    size: int


def resources(cubin: bytes) -> dict[str, Resources]:
    """The resources of every kernel in a cubin, by entry name. ValueError where it is no cubin, as PTX and fat binaries are none."""
    try:
        sections = _sections(cubin)
        names = _symbols(cubin, sections)
        found: dict[str, dict[int, int]] = {}
        for attribute, value in _records(cubin, sections[".nv.info"]):
            if attribute in (REGISTERS, FRAME, STACK):
                symbol, number = struct.unpack("<II", value)
                found.setdefault(names[symbol], {})[attribute] = number
    except (struct.error, LookupError) as error:
        raise ValueError(f"the cubin is damaged: {type(error).__name__}: {error}") from error
    return {
        name: Resources(
            registers=facts[REGISTERS],
            shared_bytes=sections.get(f".nv.shared.{name}", _Section(0, 0)).size,
            stack_bytes=max(facts.get(FRAME, 0), facts.get(STACK, 0)),
        )
        for name, facts in found.items()
        if f".nv.constant0.{name}"
        in sections  # where a kernel's arguments lie: functions that it calls have none
    }


def _sections(cubin: bytes) -> dict[str, _Section]:
    if cubin[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", cubin, 18)[0] != MACHINE:
        raise ValueError("this is no cubin: it does not start as a 64-bit ELF file for CUDA")
    (table,) = struct.unpack_from("<Q", cubin, 40)
    width, count, of_names = struct.unpack_from("<HHH", cubin, 58)
    heads = [struct.unpack_from("<IIQQQQ", cubin, table + width * n) for n in range(count)]
    texts = heads[of_names][4]
    return {_text(cubin, texts + name): _Section(offset, size) for name, _, _, _, offset, size in heads}


def _symbols(cubin: bytes, sections: dict[str, _Section]) -> list[str]:
    """Names by index."""
    table, texts = sections[".symtab"], sections[".strtab"].offset
    return [
        _text(cubin, texts + struct.unpack_from("<I", cubin, at)[0])
        for at in range(table.offset, table.offset + table.size, 24)
    ]


def _records(cubin: bytes, section: _Section) -> Iterator[tuple[int, bytes]]:
    """(attribute, value) of every record."""
    at, end = section.offset, section.offset + section.size
    while at < end:
        form, attribute, number = struct.unpack_from("<BBH", cubin, at)
        length = number if form == SIZED else 0
        yield attribute, cubin[at + 4 : at + 4 + length]
        at += 4 + length


def _text(cubin: bytes, at: int) -> str:
    return cubin[at : cubin.find(b"\0", at)].decode(errors="replace")
