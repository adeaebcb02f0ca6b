"""Boltzmann machines: the sizes of Raina et al. (2009) on the CPU and on a GPU, and an epoch beside scikit-learn and PyTorch.

    python benchmarks/rbm.py                     examples per second of CD-1 at each size, every thread that pays off
    python benchmarks/rbm.py --peers --threads 1 784-500, batches of 100: fastnn, scikit-learn's BernoulliRBM, PyTorch, in turns

Raina, Madhavan and Ng 2009, Large-scale deep unsupervised learning using graphics processors (ICML), trained machines of these numbers of visible and
hidden units on a GPU and on two cores. Their times are not repeated here: no machine of theirs is at hand.

A step of CD-1 is five products: 10 floating-point operations for each example, visible and hidden unit. Draws, biases and the update come on top, and the
share of the peak counts the products alone. The peak is one core's on registers (peers/peak.py), times the threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = ((576, 1024), (1024, 4096), (2304, 16000), (4096, 11008))
BATCH = 192
ROUNDS = 5
Fit = Callable[[int], object]
"""Trains for so many epochs."""
SECONDS = 2.0
"""What a measurement of one size takes at least."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help="beside scikit-learn and PyTorch")
    parser.add_argument("--threads", type=int, help="of all libraries; fastnn chooses where it is not said")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--largest", type=int, default=max(n for _, n in SIZES), help="hidden units, at most")
    options = parser.parse_args()
    if options.threads is not None:  # before NumPy loads its BLAS
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(options.threads)
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    from peak import gflops

    from fastnn.cpu import core_count

    peak = gflops()
    cores = options.threads or core_count()
    print(f"peak {peak:.0f} GFLOP/s a core in float32, {cores} threads at most", flush=True)
    if options.peers:
        beside_peers(options.threads, options.rounds, peak * cores)
    else:
        sizes(options.threads, options.largest, peak * cores)
    return 0


# ---- the sizes of 2009
def sizes(threads: int | None, largest: int, peak: float) -> None:
    """Examples per second of one epoch of CD-1 at each size, compiled before it is timed."""
    from fastnn.cuda import presence

    why = presence.why_not()
    print(f"batches of {BATCH}, random images\n")
    print(
        f"{'visible x hidden':>18}  {'CPU, examples/s':>16}  {'GFLOP/s':>8}  {'of peak':>8}  GPU, examples/s"
    )
    for n_visible, n_hidden in SIZES:
        if n_hidden > largest:
            continue
        here = examples_per_second(n_visible, n_hidden, threads, "cpu")
        done = 10 * n_visible * n_hidden * here / 1e9
        there = "no GPU" if why else f"{examples_per_second(n_visible, n_hidden, None, 'cuda'):,.0f}"
        print(f"{f'{n_visible} x {n_hidden}':>18}  {here:>16,.0f}  {done:>8.0f}  {done / peak:>8.0%}  {there}", flush=True)  # fmt: skip
    if why:
        print(f"\nno GPU was measured: {why.splitlines()[0]}")


def examples_per_second(n_visible: int, n_hidden: int, threads: int | None, device: str) -> float:
    """The best of two fits, each of batches enough to last."""
    import numpy as np

    import fastnn as fnn

    rbm = fnn.RBM(n_visible, n_hidden)
    steps = 2
    while True:
        X = (np.random.default_rng(0).random((steps * BATCH, n_visible)) < 0.3).astype(np.float32)
        history = rbm.fit(
            X, epochs=3, batch_size=BATCH, eta=0.01, threads=threads, device=device, verbose=False
        )
        rates = [row["samples_per_second"] for row in history]
        if history[-1]["seconds"] >= SECONDS / 2 or steps >= 500:
            return float(max(rates[1:]))
        steps = min(500, max(steps + 1, round(steps * SECONDS / 2 / history[-1]["seconds"])))


# ---- beside others
def beside_peers(threads: int | None, rounds: int, peak: float) -> None:
    """Seconds of an epoch of 10,000 images, medians of rounds in which everybody takes turns: half of what two epochs more take, so that fixed costs of a call are out."""
    import numpy as np

    n, n_visible, n_hidden, batch = 10_000, 784, 500, 100
    X = (np.random.default_rng(0).random((n, n_visible)) < 0.2).astype(np.float32)
    epochs = {name: make(X, n_hidden, batch, threads) for name, make in PEERS.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, epoch in epochs.items() if epoch}
    for name in PEERS.keys() - found.keys():
        print(f"{name}: not installed")
    for turn in range(rounds + 1):
        names = list(found)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            one, three = (timed(epochs[name], epochs_) for epochs_ in (1, 3))
            if turn:  # the first one warms up
                found[name].append(((three[0] - one[0]) / 2, (three[1] - one[1]) / 2))
    print(f"{n_visible}-{n_hidden}, batches of {batch}, {n:,} images, medians of {rounds} rounds\n")
    print(f"{'':>28}  {'epoch, s':>9}  {'processor, s':>13}  {'times fastnn CD-1':>18}  {'of peak':>8}")
    for name, took in found.items():
        clock, cpu = (statistics.median(each[k] for each in took) for k in (0, 1))
        times = statistics.median(a[1] / b[1] for a, b in zip(took, found["fastnn CD-1"], strict=True))
        share = 10 * n * n_visible * n_hidden / cpu / 1e9 / peak * (threads or 1)
        print(f"{name:>28}  {clock:>9.3f}  {cpu:>13.3f}  {times:>18.2f}  {share:>8.0%}")
    print(
        "\ntimes and share of the peak are of the processor's seconds, which other work on the machine disturbs less"
    )


def timed(fit: Any, epochs: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    begun = time.perf_counter(), time.process_time()
    fit(epochs)
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def ours(**how: Any) -> Callable[..., Fit]:
    def make(X: Any, n_hidden: int, batch: int, threads: int | None) -> Fit:
        import fastnn as fnn

        rbm = fnn.RBM(X.shape[1], n_hidden)
        return lambda epochs: rbm.fit(
            X, epochs=epochs, batch_size=batch, eta=0.05, threads=threads, verbose=False, **how
        )

    return make


def scikit_learn(X: Any, n_hidden: int, batch: int, threads: int | None) -> Fit | None:
    """Persistent chains, which is all that it does; its five products are BLAS's."""
    try:
        from sklearn.neural_network import BernoulliRBM
    except ImportError:
        return None
    rbm = BernoulliRBM(n_hidden, learning_rate=0.05, batch_size=batch, random_state=0)
    return lambda epochs: rbm.set_params(n_iter=epochs).fit(X)


def pytorch(X: Any, n_hidden: int, batch: int, threads: int | None) -> Fit | None:
    """CD-1 as one writes it: five products in place, without autograd."""
    try:
        import torch
    except ImportError:
        return None
    if threads is not None:
        torch.set_num_threads(threads)
    rows = torch.from_numpy(X)
    W = 0.01 * torch.randn(n_hidden, X.shape[1])
    b, c = torch.zeros(n_hidden), torch.zeros(X.shape[1])

    @torch.no_grad()
    def fit(epochs: int) -> None:
        for start in range(0, epochs * len(rows), batch):
            if start % len(rows) == 0:
                order = torch.randperm(len(rows))
            v = rows[order[start % len(rows) :][:batch]]
            p = torch.sigmoid(torch.addmm(b, v, W.T))
            again = torch.bernoulli(torch.sigmoid(torch.addmm(c, torch.bernoulli(p), W)))
            q = torch.sigmoid(torch.addmm(b, again, W.T))
            eta = 0.05 / len(v)
            W.addmm_(p.T, v, alpha=eta).addmm_(q.T, again, alpha=-eta)
            b.add_((p - q).sum(0), alpha=eta)
            c.add_((v - again).sum(0), alpha=eta)

    return fit


PEERS: dict[str, Callable[..., Fit | None]] = {
    "fastnn CD-1": ours(),
    "fastnn CD-1, mean field": ours(mean_field=True),
    "fastnn persistent": ours(persistent=True),
    "scikit-learn, persistent": scikit_learn,
    "PyTorch CD-1": pytorch,
}

if __name__ == "__main__":
    raise SystemExit(main())
