"""Largest resident memory of a process that imports, and of one that trains 784-128-10."""

from __future__ import annotations

from .work import fit, network, random_classes


class Memory:
    version = "1"

    def setup_cache(self) -> None:
        # compiled kernels come from the cache then: the compiler's memory is not the library's
        fit(network(784, 128, 10), *random_classes(640, 784, 10), 1, optimizer="adagrad")

    def peakmem_import(self) -> None:
        pass

    def peakmem_fit(self) -> None:
        fit(network(784, 128, 10), *random_classes(12800, 784, 10), 1, optimizer="adagrad")
