from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
from typing_extensions import disjoint_base

PASS_ROWS: int
PASS_LEAF: int
LADDER_LONGEST: int
LADDER_ROWS: int
LADDER_GRID: float
ASCENT_SCRATCH: int
TIES_BITS: list[int]

class SweepEnd(IntEnum):
    DONE = ...
    UNDECIDED = ...
    FULL = ...
    BUDGET = ...
    LOST = ...

@disjoint_base
class Points:
    def __init__(
        self,
        first: np.ndarray[Any, Any],
        last: np.ndarray[Any, Any],
        sums: np.ndarray[Any, Any],
        bounds: tuple[float, ...],
        values: np.ndarray[Any, Any] | None = None,
        scale: float = 1.0,
    ) -> None: ...
    def __len__(self) -> int: ...

def subtract(
    values: np.ndarray[Any, Any], subtrahend: float, rest: np.ndarray[Any, Any]
) -> None: ...
def walk_sums(
    deviation: np.ndarray[Any, Any],
    rest: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any] | None,
    state: np.ndarray[Any, Any],
    start: int,
    part: int,
    isa: int,
    positions: np.ndarray[Any, Any] | None,
    sums: np.ndarray[Any, Any],
) -> None: ...
def lowest_bit(
    values: np.ndarray[Any, Any], rest: np.ndarray[Any, Any] | None, start: int, floor: int
) -> int: ...
def run_passes(
    points: Points,
    price: float,
    least: np.ndarray[Any, Any],
    previous: np.ndarray[Any, Any],
    scratch: np.ndarray[Any, Any],
    state: np.ndarray[Any, Any],
    until: np.ndarray[Any, Any],
    threads: int,
    isa: int,
    progress: Callable[[int], object] | None,
) -> None: ...
def is_cut_within(
    points: Points,
    price: float,
    least: np.ndarray[Any, Any],
    scratch: np.ndarray[Any, Any],
    first: int,
    last: int,
) -> bool: ...
def is_only_path(
    points: Points,
    price: float,
    least: np.ndarray[Any, Any],
    scratch: np.ndarray[Any, Any],
    edges: np.ndarray[Any, Any],
    first: int,
    last: int,
    limit: float,
    threads: int,
    isa: int,
) -> bool: ...
def climb(
    x: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any] | None,
    prices: np.ndarray[Any, Any],
    which: int,
    rows: np.ndarray[Any, Any],
    least: np.ndarray[Any, Any],
    origins: np.ndarray[Any, Any],
    first: np.ndarray[Any, Any],
    costs: np.ndarray[Any, Any],
    threads: int,
    isa: int,
) -> int: ...
def ladder_back(
    x: np.ndarray[Any, Any],
    prices: np.ndarray[Any, Any],
    which: int,
    least: np.ndarray[Any, Any],
    origins: np.ndarray[Any, Any],
    first: np.ndarray[Any, Any],
    steps: np.ndarray[Any, Any],
    paths: np.ndarray[Any, Any],
    gaps: np.ndarray[Any, Any],
    threads: int,
) -> tuple[tuple[int, int], tuple[float, float]]: ...
def ascend(
    x: np.ndarray[Any, Any],
    price: float,
    least: np.ndarray[Any, Any],
    previous: np.ndarray[Any, Any],
    first: np.ndarray[Any, Any],
    scratch: np.ndarray[Any, Any],
    threads: int,
    isa: int,
) -> bool: ...
def descend(
    x: np.ndarray[Any, Any],
    price: float,
    least: np.ndarray[Any, Any],
    previous: np.ndarray[Any, Any],
    first: np.ndarray[Any, Any],
    scratch: np.ndarray[Any, Any],
    steps: np.ndarray[Any, Any],
    behind: np.ndarray[Any, Any],
    paths: np.ndarray[Any, Any],
    threads: int,
) -> tuple[tuple[int, int], tuple[float, float]]: ...
def steps_back(previous: np.ndarray[Any, Any], step: int, path: np.ndarray[Any, Any]) -> int: ...

@disjoint_base
class Ties:
    def __init__(
        self, values: np.ndarray[Any, Any], parts: np.ndarray[Any, Any], bits: int
    ) -> None: ...
    def path(self, edges: np.ndarray[Any, Any]) -> None: ...

def run_ties(some: list[Ties], prices: list[int]) -> list[tuple[int, int, int]] | None: ...
def layers(
    points: Points,
    scratch: np.ndarray[Any, Any],
    edges: np.ndarray[Any, Any],
    isa: int,
) -> bool: ...
def few_means(
    values: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any] | None,
    kappa: float,
    tiny: float,
    scratch: np.ndarray[Any, Any],
    edges: np.ndarray[Any, Any],
    means: np.ndarray[Any, Any],
    isa: int,
) -> bool: ...
def path_through(
    previous: np.ndarray[Any, Any], middle: int, path: np.ndarray[Any, Any]
) -> tuple[int, int]: ...
def positions_within(
    least: np.ndarray[Any, Any], limit: float, positions: np.ndarray[Any, Any] | None
) -> int: ...
def bands(
    points: Points,
    positions: np.ndarray[Any, Any],
    least: np.ndarray[Any, Any],
    price: float,
    limit: float,
    previous: np.ndarray[Any, Any],
    upper: np.ndarray[Any, Any],
    ends: np.ndarray[Any, Any],
) -> None: ...

@disjoint_base
class ExactSums:
    def __init__(
        self, values: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None
    ) -> None: ...
    def set_price(self, price: int, parts: int) -> None: ...

def sweep(
    points: Points,
    positions: np.ndarray[Any, Any],
    least: np.ndarray[Any, Any],
    pass_price: float,
    limit: float,
    ends: np.ndarray[Any, Any],
    price: tuple[float, float, float],
    price_parts: int,
    exact: ExactSums | None,
    potential: np.ndarray[Any, Any],
    fewest: np.ndarray[Any, Any],
    most: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
    parts: np.ndarray[Any, Any],
    starts: np.ndarray[Any, Any],
    sources: np.ndarray[Any, Any],
    totals: np.ndarray[Any, Any],
    done: np.ndarray[Any, Any],
    decided: bool,
    budget: int,
) -> SweepEnd: ...
def sweep_near(
    points: Points,
    positions: np.ndarray[Any, Any],
    sums: np.ndarray[Any, Any],
    square: np.ndarray[Any, Any],
    ends: np.ndarray[Any, Any],
    price: tuple[float, float, float],
    price_parts: int,
    potential: np.ndarray[Any, Any],
    numbers: np.ndarray[Any, Any],
    parts: np.ndarray[Any, Any],
    starts: np.ndarray[Any, Any],
    sources: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
    totals: np.ndarray[Any, Any],
    rows: np.ndarray[Any, Any],
    isa: int,
) -> SweepEnd: ...
def lowest_jumps(
    positions: np.ndarray[Any, Any],
    numbers: np.ndarray[Any, Any],
    starts: np.ndarray[Any, Any],
    sources: np.ndarray[Any, Any],
    groups: np.ndarray[Any, Any],
    edges: np.ndarray[Any, Any],
    path: np.ndarray[Any, Any],
    counts: np.ndarray[Any, Any],
) -> int: ...
def lowest_path(
    fewest: np.ndarray[Any, Any],
    most: np.ndarray[Any, Any],
    starts: np.ndarray[Any, Any],
    sources: np.ndarray[Any, Any],
    path: np.ndarray[Any, Any],
) -> bool: ...
def group_costs(
    points: Points,
    edges: np.ndarray[Any, Any],
    costs: np.ndarray[Any, Any],
    errors: np.ndarray[Any, Any],
) -> None: ...
def group_means(
    points: Points,
    edges: np.ndarray[Any, Any],
    exponent: int,
    median: tuple[float, float],
    means: np.ndarray[Any, Any],
    distances: np.ndarray[Any, Any],
    safe: np.ndarray[Any, Any],
) -> None: ...
def round_means(
    values: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any] | None,
    edges: np.ndarray[Any, Any],
    means: np.ndarray[Any, Any],
    safe: np.ndarray[Any, Any],
) -> None: ...
def lone_means(
    values: np.ndarray[Any, Any],
    edges: np.ndarray[Any, Any],
    means: np.ndarray[Any, Any],
    safe: np.ndarray[Any, Any],
    threads: int,
) -> None: ...
