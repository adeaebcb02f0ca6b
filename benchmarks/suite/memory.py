"""Largest resident memory of a process that imports fastnn, and of ones that train, in bytes."""

from __future__ import annotations

from .cases import data, fit, network


class Memory:
    params = (["784-128-10 / 64", "784-512-512-10 / 128"],)
    param_names = ("network / batch",)
    version = "1"

    def setup_cache(self) -> None:
        # compiled kernels come from the cache then: the compiler's memory is not the library's
        for name in self.params[0]:
            self.peakmem_fit(name)

    def peakmem_fit(self, name: str) -> None:
        fit(network(name), name, *data(name), 1, optimizer="adam")


class Import:
    version = "1"

    def peakmem_import(self) -> None:
        pass
