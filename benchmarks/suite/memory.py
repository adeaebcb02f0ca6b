"""Largest resident memory of a process that imports fastnn, and of ones that train, in bytes."""

from __future__ import annotations

from .cases import CASES, fit


class Memory:
    params = (["784-128-10 / 64", "784-512-512-10 / 128"],)
    param_names = ("network / batch",)
    version = "1"

    def setup_cache(self) -> None:
        # compiled kernels come from the cache then: the compiler's memory is not the library's
        for name in self.params[0]:
            self._fit(name)

    def _fit(self, name: str) -> None:
        case = CASES[name]
        fit(case.network(), *case.data(), 1, optimizer="adam", batch_size=case.batch)

    def peakmem_fit(self, name: str) -> None:
        self._fit(name)


class Import:
    version = "1"

    def peakmem_import(self) -> None:
        pass
