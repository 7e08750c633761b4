from types import TracebackType
from typing import Self

from typing_extensions import disjoint_base

OPENMP: int

def start(cpus: int, forked: bool) -> None: ...
def openmp_limit() -> int: ...
def is_forked() -> bool: ...

@disjoint_base
class Team:
    def __new__(cls, threads: int) -> Self: ...
    def __enter__(self) -> int: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
