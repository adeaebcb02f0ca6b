"""A plan as a table: what people look at to learn what one step does."""

from __future__ import annotations

from fastnn.plan.instruction import Plan

__all__ = ["table"]


def table(plan: Plan) -> str:
    """One line an instruction: node, kernel, shapes, parameters, floating-point operations, bytes touched."""
    rows = [("", "node", "kernel", "result", "operands", "flops", "bytes")]
    for number, i in enumerate(plan.instructions):
        operands = " ".join(_shape(b.shape) for b in i.operands[1:])
        sign = "+=" if i.accumulate else "="
        rows.append(
            (f"{number}{'*' if i.meet else ''}", i.node, i.kernel.name, f"{_shape(i.result.shape)} {sign}", operands,
             f"{i.flops:,}", f"{i.bytes:,}")
        )  # fmt: skip
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[c].rjust(widths[c]) if c >= 5 else row[c].ljust(widths[c]) for c in range(len(row))]
        lines.append("  ".join(cells).rstrip())
    graph = plan.graph
    lines.append(
        f"{plan.mode}, batch {plan.batch}, {plan.dtype}: {len(plan.instructions)} instructions, {graph.n_parameters:,} parameters, "
        f"{plan.flops:,} flops, arena {plan.arena_bytes:,} bytes; * threads meet here"
    )
    return "\n".join(lines)


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ",".join("N" if n == -1 else str(n) for n in shape) + ")"
