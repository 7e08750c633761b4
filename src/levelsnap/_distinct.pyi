from typing import Any

import numpy as np

def count_patterns(
    image: np.ndarray[Any, Any],
    swapped: bool,
    where: np.ndarray[Any, Any] | None,
    counts: np.ndarray[Any, Any],
) -> None: ...
