"""Plans of random graphs: memory is never shared by two buffers that live at once, threads meet wherever one reads what another wrote, and
what the tape computes is what the bodies say."""

from itertools import combinations

import numpy as np
import pytest
from cases import GRAPHS, labels, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import graphs

import fastnn as fnn
from fastnn.cpu import Machine
from fastnn.ops import LossOp
from fastnn.plan import MODES, build_plan
from fastnn.registry import registry
from fastnn.testing.ops import check_plan

LOSS = LossOp(registry.get("loss", "cross_entropy"), "index")
BATCH = 5
MANY = settings(max_examples=6 * settings().max_examples)  # where nothing is run
FEW = settings(max_examples=settings().max_examples // 2)


def plans(net, training=False):
    for mode in MODES:
        yield build_plan(
            net.graph, BATCH, net.dtype, mode, loss=None if mode == "infer" else LOSS, training=training
        )
    options = {"loss": LOSS, "training": training, "gather": True, "weighted": True}
    yield build_plan(net.graph, BATCH, net.dtype, "gradient", **options)


def arrays(net, plan, seed=0):
    rng = np.random.default_rng(seed)
    n = net.theta.size
    given = {"X": rows(net, BATCH, seed), "y": labels(BATCH), "theta": net.theta, "v": rng.normal(size=n)}
    if "order" in plan.externals:
        given |= {
            "X": rows(net, 2 * BATCH).reshape(2 * BATCH, -1),
            "y": labels(2 * BATCH),
            "order": rng.permutation(2 * BATCH),
        }
        given |= {"weights": rng.uniform(size=2 * BATCH)}
    return given


@MANY
@given(graphs(), st.booleans())
def test_buffers_that_live_at_once_share_no_memory(net, training):
    for plan in plans(net, training):
        lives = {}
        for index, instruction in enumerate(plan.instructions):
            for buffer in instruction.operands:
                if buffer.root.space == "arena":
                    lives.setdefault(buffer.root, []).append(index)
        for (a, uses), (b, others) in combinations(lives.items(), 2):
            alive_together = uses[0] <= others[-1] and others[0] <= uses[-1]
            start, other_start = a.offset * a.itemsize, b.offset * b.itemsize
            apart = start + a.bytes <= other_start or other_start + b.bytes <= start
            assert apart or not alive_together, f"{a} and {b}\n{plan}"
        ends = [root.offset * root.itemsize + root.bytes for root in lives]
        assert max(ends, default=0) <= plan.arena_bytes


def touched(instruction, t, team):
    """(space, byte range, written?) of what thread t of the team touches: its share of the results, and of an operand its samples where
    it works sample by sample, else all of it."""
    units, kernel = instruction.units, instruction.kernel
    low, high = units * t // team, units * (t + 1) // team
    if low == high:
        return
    for position, buffer in enumerate(instruction.operands):
        start, size = buffer.offset * buffer.itemsize, buffer.bytes
        is_result = position <= kernel.extra_results
        by_share = is_result or (instruction.result.batched and buffer.batched)
        if by_share and buffer.shape and buffer.shape[0] == units:
            row = size // max(units, 1)
            yield buffer.space, start + low * row, start + high * row, position == 0 or is_result
        else:
            yield buffer.space, start, start + size, position == 0 or is_result


@MANY
@given(graphs(), st.booleans())
def test_threads_meet_before_one_touches_what_another_wrote(net, training):
    for plan in plans(net, training):
        for team in (2, 3):
            since = [[] for _ in range(team)]
            for number, instruction in enumerate(plan.instructions):
                if instruction.meet:
                    since = [[] for _ in range(team)]
                now = [list(touched(instruction, t, team)) for t in range(team)]
                for t, u in ((t, u) for t in range(team) for u in range(team) if t != u):
                    for space, start, end, writes in now[t]:
                        for other_space, other_start, other_end, wrote in since[u] + now[u]:
                            race = (
                                space == other_space
                                and (writes or wrote)
                                and start < other_end
                                and other_start < end
                            )
                            assert not race, f"instruction {number}, threads {t} and {u} of {team}\n{plan}"
                for t in range(team):
                    since[t] += now[t]


@given(graphs(), st.booleans())
def test_the_tape_computes_what_the_bodies_say(net, training):
    for plan in plans(net, training):
        check_plan(f"{plan}\n", plan, arrays(net, plan))


@FEW
@given(graphs())
def test_threads_do_not_change_a_bit(net):
    for plan in list(plans(net, training=True))[3:]:  # with tangents, and with rows in the order of an epoch
        results = []
        for threads in (1, 2, 3, 5):
            given = arrays(net, plan)
            machine = Machine(plan, threads=threads)
            machine.seed(3)
            out = {name: np.full(net.theta.size, np.nan) for name in ("g", "hv")}
            if "out" in plan.externals:
                out["out"] = np.full(plan.externals["out"].shape, np.nan)
            for name, array in (given | out).items():
                machine.bind(name, array)
            for _ in range(3):  # memory is full of what the run before left
                machine.total[0] = 0
                machine.run()
                results.append(b"".join(array.tobytes() for array in (*out.values(), machine.total)))
        assert len(set(results)) == 1, str(plan)


@FEW
@given(graphs())
def test_outputs_do_not_depend_on_the_mode(net):
    """Inference, which reuses memory, and value give the same outputs; gradient and hvp the same loss and gradient."""
    X, y = rows(net, BATCH), labels(BATCH)
    C = net.objective(X, y, loss="cross_entropy", threads=1)
    found = {}
    for plan in plans(net):
        given, n = arrays(net, plan), net.theta.size
        if "order" not in plan.externals:
            found[plan.mode] = check_plan(plan.mode, plan, given)
            assert found[plan.mode].get("total", np.zeros(1)).shape == (1,)
            assert n == C.n
    assert found["infer"]["out"].tobytes() == found["value"]["out"].tobytes() == net(X).tobytes()
    assert found["value"]["total"] == found["gradient"]["total"] == found["hvp"]["total"]
    assert found["gradient"]["g"] == pytest.approx(found["hvp"]["g"], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_arena_is_hardly_larger_than_what_lives_at_once(name):
    net = GRAPHS[name]()
    for plan in plans(net):
        lives = {}
        for index, instruction in enumerate(plan.instructions):
            for buffer in instruction.operands:
                if buffer.root.space == "arena":
                    lives.setdefault(buffer.root, []).append(index)
        padded = {root: -(-root.bytes // 64) * 64 for root in lives}
        live = [
            sum(padded[r] for r, uses in lives.items() if uses[0] <= k <= uses[-1])
            for k in range(len(plan.instructions))
        ]
        assert plan.arena_bytes <= 1.4 * max(live, default=0), str(plan)


def test_inference_of_a_deep_chain_needs_two_layers_of_memory():
    net = fnn.Network(16, [fnn.Dense(64, "tanh") for _ in range(20)] + [fnn.Dense(2)])
    plan = net.plan(batch=8)
    assert plan.arena_bytes == 2 * 8 * 64 * 4


def test_a_plan_prints_as_a_table():
    net = fnn.Network(6, [fnn.Dense(4, "relu"), fnn.Dropout(0.5), fnn.Dense(3)])
    text = str(net.plan(batch=8, mode="gradient", loss="cross_entropy"))
    lines = text.splitlines()
    plan = net.plan(batch=8, mode="gradient", loss="cross_entropy")
    assert lines[0].split()[:3] == ["node", "kernel", "result"]
    assert len(lines) == len(plan.instructions) + 2
    assert [line.split()[2] for line in lines[1:-1] if "affine.forward" in line] == ["affine.forward"] * 2
    assert (
        "(8,4)" in text and "dropout.forward" in text and "loss.index" in text and "affine.gradient_W" in text
    )
    assert f"{net.theta.size:,} parameters" in lines[-1] and f"{plan.flops:,} flops" in lines[-1]
    assert sum("*" in line.split()[0] for line in lines[1:-1]) == plan.meetings


def test_a_plan_counts_multiply_adds_as_two():
    plan = fnn.Network(6, [fnn.Dense(4)]).plan(batch=8)
    assert plan.flops == 2 * 8 * 6 * 4


def test_a_chain_meets_once_before_all_its_gradients():
    """Forward and backward work sample by sample: threads meet before the gradients, however many layers there are."""
    for activation in ("relu", "gelu"):  # the slope of gelu needs z, so more buffers live and die
        net = fnn.Network(20, [*(fnn.Dense(32, activation) for _ in range(6)), fnn.Dense(3)])
        plan = build_plan(net.graph, 32, net.dtype, "gradient", loss=LOSS, training=True, gather=True)
        assert plan.meetings == 1, str(plan)


def test_threads_meet_between_outputs_dealt_out_by_columns_and_the_loss():
    """`out` is bound from outside, and yet written by one instruction and read by the next."""
    net = fnn.Network(512, [fnn.Dense(1024)])
    product, loss = net.plan(batch=4, mode="value", loss="squared_error").instructions[:2]
    assert product.by_column and product.result.space == "out"
    assert loss.kernel.name == "loss.row" and loss.meet
