from typing import Any, Self

import numpy as np
from typing_extensions import disjoint_base

BEST_ISA: int

def register_depth(isa: int, type: int) -> int: ...
def node_size(isa: int, type: int) -> int: ...
def has_packed(isa: int, type: int) -> bool: ...
def node_levels(isa: int, type: int, depth: int) -> int: ...

@disjoint_base
class Operands: ...

@disjoint_base
class Table:
    def __new__(
        cls,
        isa: int,
        method: int,
        type: int,
        thresholds: np.ndarray[Any, Any],
        depth: int,
        k: int,
        first: int,
        label_size: int,
        values: np.ndarray[Any, Any] | None = None,
        keep_nan: bool = True,
        nan_value: int = 0,
        pattern_labels: np.ndarray[Any, Any] | None = None,
        grid: Any = None,
    ) -> Self: ...

def nearest(
    table: Table,
    image: np.ndarray[Any, Any],
    image_swapped: bool,
    where: np.ndarray[Any, Any] | None,
    labels: np.ndarray[Any, Any] | None,
    labels_swapped: bool,
    values: np.ndarray[Any, Any] | None,
    values_swapped: bool,
    nan_label: int,
    keep: bool,
    stream: bool,
    threads: int,
    mask: np.ndarray[Any, Any] | None = None,
) -> int: ...
def nearest_plain(
    table: Table, image: np.ndarray[Any, Any], result: np.ndarray[Any, Any], snapped: bool
) -> int: ...
