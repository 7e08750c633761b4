from typing import Any, Self

import numpy as np
from typing_extensions import disjoint_base

from ._nearest import Table

BYTE_TABLES: int
HUGE_PAGES: int
LEAST_HOME_BITS: int
PAGE_BITS: int

@disjoint_base
class Image:
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    def __new__(
        cls,
        image: np.ndarray[Any, Any],
        swapped: bool,
        where: np.ndarray[Any, Any] | None,
        mask: np.ndarray[Any, Any] | None = None,
    ) -> Self: ...

def sample(image: Image, positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]: ...
def see_patterns(image: Image, isa: int, seen: np.ndarray[Any, Any]) -> None: ...
def count_patterns(image: Image, start: int, stop: int, tables: np.ndarray[Any, Any]) -> None: ...

@disjoint_base
class Bitmap:
    @property
    def touched(self) -> int: ...
    def __new__(cls, type: int, isa: int, dense: bool) -> Self: ...
    def add(self, image: Image, threads: int) -> None: ...
    def merge(self, other: Bitmap, threads: int) -> None: ...
    def take(self, threads: int) -> np.ndarray[Any, Any]: ...
    def rank(self) -> None: ...
    def count_keys(
        self,
        keys: np.ndarray[Any, Any],
        starts: np.ndarray[Any, Any],
        counts: np.ndarray[Any, Any],
        threads: int,
    ) -> None: ...

def add_apart(image: Image, bitmaps: list[Bitmap], room: int) -> bool: ...
def by_set(
    image: Image, isa: int, limit: int, counted: bool, threads: int, home_bits: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None: ...
def unique(
    elements: np.ndarray[Any, Any], type: int, counts: np.ndarray[Any, Any] | None
) -> int: ...

@disjoint_base
class Deal:
    @property
    def buckets(self) -> int: ...
    def __new__(cls, image: Image, table: Table, type: int, buckets: int, threads: int) -> Self: ...
    def sizes(self, start: int, stop: int) -> np.ndarray[Any, Any]: ...
    def out(
        self, start: int, stop: int, places: np.ndarray[Any, Any], keys: np.ndarray[Any, Any]
    ) -> None: ...
    def sort(
        self, keys: np.ndarray[Any, Any], starts: np.ndarray[Any, Any], unique: bool
    ) -> np.ndarray[Any, Any]: ...
    def count(
        self,
        keys: np.ndarray[Any, Any],
        starts: np.ndarray[Any, Any],
        places: np.ndarray[Any, Any],
        counts: np.ndarray[Any, Any],
    ) -> None: ...
