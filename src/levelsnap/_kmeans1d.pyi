from typing import Any

import numpy as np

def prefix_sums(
    deviation: np.ndarray[Any, Any],
    rest: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any] | None,
    sums: np.ndarray[Any, Any],
) -> None: ...
def solve_layer(
    deviation: np.ndarray[Any, Any],
    sums: np.ndarray[Any, Any],
    bounds: tuple[float, ...],
    before: np.ndarray[Any, Any],
    after: np.ndarray[Any, Any],
    lowest: np.ndarray[Any, Any],
    highest: np.ndarray[Any, Any],
    bound: np.ndarray[Any, Any],
    first: int,
    last: int,
    low: int,
    high: int,
    budget: int,
) -> bool: ...
def group_costs(
    deviation: np.ndarray[Any, Any],
    sums: np.ndarray[Any, Any],
    bounds: tuple[float, ...],
    edges: np.ndarray[Any, Any],
    costs: np.ndarray[Any, Any],
    errors: np.ndarray[Any, Any],
) -> None: ...
