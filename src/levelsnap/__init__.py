"""Snap every element of an array to the nearest of K levels: exact, parallel, quick."""

# First, as it loads OpenMP.
from .threads import get_num_threads, set_num_threads

# isort: split
from .choose import KChoice, choose_k
from .codebook import Codebook, thresholds
from .config import get_include, show_config
from .fit import fit, unique_quantize
from .histogram import Histogram, distinct, histogram
from .nearest import labels, labels_and_snap, snap

__version__ = "0.1.0"

__all__ = [
    "Codebook",
    "Histogram",
    "KChoice",
    "choose_k",
    "distinct",
    "fit",
    "get_include",
    "get_num_threads",
    "histogram",
    "labels",
    "labels_and_snap",
    "set_num_threads",
    "show_config",
    "snap",
    "thresholds",
    "unique_quantize",
]
