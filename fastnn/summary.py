"""The network as a table: layers, what they give, how many parameters they have, what a sample costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan import build_plan

if TYPE_CHECKING:
    from fastnn.network import Network

__all__ = ["rows", "summary"]


def rows(net: Network) -> list[tuple[str, str, str, str, int, int]]:
    """(name, layer, inputs, output shape, parameters, floating-point operations for one sample) for every layer."""
    plan = build_plan(net.graph, 1, net.dtype)
    listed = []
    for name, (layer, sources) in net.layers.items():
        own = [p for p in net.graph.parameters.values() if p.name.startswith(f"{name}/")]
        flops = sum(i.flops for i in plan.instructions if i.node == name or i.node.startswith(f"{name}/"))
        shape = "(" + ", ".join(["batch", *map(str, net.nodes[name].shape)]) + ")"
        listed.append(
            (name, type(layer).__name__, ", ".join(sources), shape, sum(p.size for p in own), flops)
        )
    return listed


def summary(net: Network) -> str:
    """The table as text, with totals."""
    table = [("name", "layer", "of", "output", "parameters", "flops")]
    body = rows(net)
    table += [(*row[:4], f"{row[4]:,}", f"{row[5]:,}") for row in body]
    table.append(("", "", "", "", f"{sum(r[4] for r in body):,}", f"{sum(r[5] for r in body):,}"))
    widths = [max(len(row[c]) for row in table) for c in range(6)]
    lines = [
        "  ".join(
            cell.rjust(w) if c > 3 else cell.ljust(w)
            for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join(
        [
            lines[0],
            rule,
            *lines[1:-1],
            rule,
            lines[-1],
            f"{net.dtype}, {net.theta.nbytes:,} bytes of parameters",
        ]
    )
