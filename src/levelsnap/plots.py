"""Pictures of an image and its levels, by matplotlib, which is imported when one is asked for.

`Codebook.plot` and `KChoice.plot` draw one thing into Axes; `overview` makes the whole figure of
``levelsnap plot``.
"""

import inspect
import io
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .choose import KChoice, choose_k
from .codebook import Codebook
from .containers import adaptor
from .fit import check_bool, check_choice
from .histogram import Histogram, histogram
from .nearest import blocks, examine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 256  # of a histogram, at most
LEVELS = 32  # that are drawn as lines, at most; beside thresholds half as many
VIEW = 1024  # pixels of an image that are drawn along each axis, at most
MAX_DRAWN = 1e300  # matplotlib's sums overflow soon after
FORMATS = ".png", ".svg", ".pdf"
K_MAX = 32, 128  # of an elbow by default, and at most for the sake of the codebook's own k
# An image of more elements, with values of more than 16 bits, may have gigabytes of distinct ones.
# It is counted in cells, and its elbow is that of a sample.
COUNTED = 1 << 24
CELLS = 1 << 16
SAMPLED = 1 << 22

# Blue that is dark in grey, too; lines differ by dashes, not by color alone.
BLUE = "#0072B2"
FILL = "0.75"


def draw_histogram(
    codebook: Codebook,
    data: Histogram | ArrayLike,
    ax: "Axes | None",
    *,
    log: bool = False,
    where: ArrayLike = True,
    threads: int | None = None,
) -> "Axes":
    """How often values occur, with the levels and thresholds; see `Codebook.plot`."""
    _check_axes(ax)
    check_bool("log", log)
    counted = _counted(data, where, threads)
    values, counts, infinite = _finite(counted)
    if not counts.any():
        raise ValueError("nothing to draw: no finite value is counted")
    edges = _edges(values, codebook.centers)
    sums = _sums(values, counts, edges)
    if ax is None:
        ax = _new_axes(1)[0]

    ax.stairs(sums, edges, fill=True, color=FILL)
    ax.margins(y=0.25)  # room for the legend
    if log:
        ax.set_yscale("log")
        ax.set_ylim(bottom=sums[sums > 0].min() / 2)
    _draw_lines(codebook, ax)
    ax.set_xlabel(f"value ({infinite:,.12g} infinite not shown)" if infinite else "value")
    ax.set_ylabel("elements" if counts.dtype.kind == "u" else "weight")
    ax.legend(loc="upper right", framealpha=1)
    return ax


def draw_image(
    codebook: Codebook,
    image: ArrayLike,
    axes: Any,
    *,
    cmap: Any = "gray",
    where: ArrayLike = True,
    threads: int | None = None,
) -> NDArray[Any]:
    """The image before and after, side by side; see `Codebook.plot`."""
    cmap = _matplotlib().colormaps.get_cmap(cmap)
    if axes is not None:
        axes = _two_axes(axes)
    if isinstance(image, Histogram):
        raise TypeError("a Histogram has no pixels; give the image")
    view, plane, (row_step, column_step) = _view(image, where)
    snapped = codebook.snap(view.data, where=~view.mask, threads=threads)
    snapped = np.ma.MaskedArray(snapped, view.mask)
    low, high = _range(view, snapped)
    if axes is None:
        axes = _new_axes(2)

    height, width = view.shape[0] * row_step, view.shape[1] * column_step
    titles = "before" + plane, f"after: {_number(codebook.k, 'level')}"
    for ax, shown, title in zip(axes, (view, snapped), titles, strict=True):
        if view.mask.any():
            ax.patch.set(hatch="////", edgecolor="0.5")
        ax.imshow(
            shown if view.ndim == 2 else _colors(shown, low, high),
            cmap,
            vmin=low,
            vmax=high,
            origin="upper",
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            aspect="auto" if height == 1 else "equal",
            interpolation="nearest",
        )
        ax.set_title(title)
    return axes


def draw_elbow(
    codebook: Codebook,
    data: Histogram | ArrayLike,
    ax: "Axes | None",
    *,
    k_max: int | None = None,
    weights: str = "distinct",
    where: ArrayLike = True,
    threads: int | None = None,
) -> "Axes":
    """The fit of 1, 2, 3 ... levels, and of the codebook; see `Codebook.plot`."""
    _check_axes(ax)
    if k_max is None:
        k_max = codebook.k if K_MAX[0] < codebook.k <= K_MAX[1] else K_MAX[0]
    label = "the best levels"
    if not isinstance(data, Histogram) and _is_large(data):
        label += " of a sample"
        data, where = _sample(data, where)
    values, counts, _ = _finite(_counted(data, where, threads))
    finite = Histogram(values, counts)
    choice = choose_k(finite, k_max, weights=weights, threads=threads)
    inertia = codebook.inertia(finite, weights)
    gvf = 1 - inertia / choice.inertia[0] if choice.inertia[0] > 0 else float(inertia == 0)
    point_label = f"these {_number(codebook.k, 'level')}: {gvf:.4g}"
    return _draw_curve(choice, ax, label, (codebook.k, gvf), point_label)


def draw_choice(choice: KChoice, ax: "Axes | None") -> "Axes":
    """How well each number of levels fits, and the chosen one; see `KChoice.plot`."""
    _check_axes(ax)
    point = choice.k, choice.gvf[choice.k - 1]
    point_label = f"{choice.k}, chosen by {choice.criterion}"
    return _draw_curve(choice, ax, "the best levels", point, point_label)


def overview(
    codebook: Codebook,
    image: ArrayLike,
    *,
    weights: str = "distinct",
    where: ArrayLike = True,
    threads: int | None = None,
    title: str = "",
) -> "Figure":
    """All pictures of `levelsnap.Codebook.plot` in one figure, as ``levelsnap plot`` writes it.

    Parameters
    ----------
    codebook : Codebook
        The levels.
    image : array_like
        As for ``Codebook.plot(image, kind="image")``.
    weights : {"distinct", "counts"}
        Of the elbow.
    where : array_like of bool, optional
        Broadcastable to the image; False elements are skipped.
    threads : int, optional
        By default `get_num_threads`.
    title : str
        Above all.

    Returns
    -------
    matplotlib.figure.Figure
        Unknown to pyplot: nothing need be closed, and it is written by ``savefig`` on any machine.
    """
    figure = _matplotlib("matplotlib.figure").Figure((10, 7), layout="constrained")
    axes = figure.subplot_mosaic(
        [["before"] * 3 + ["after"] * 3, ["linear", "linear", "log", "log", "elbow", "elbow"]],
        height_ratios=(3, 2),
    )
    images = [axes["before"], axes["after"]]
    draw_image(codebook, image, images, where=where, threads=threads)
    if axes["after"].images[0].get_array().ndim == 2:
        figure.colorbar(axes["after"].images[0], ax=images)
    counted = _counted(image, where, threads)
    draw_histogram(codebook, counted, axes["linear"])
    draw_histogram(codebook, counted, axes["log"], log=True)
    data, where = (image, where) if _is_large(image) else (counted, True)
    draw_elbow(codebook, data, axes["elbow"], weights=weights, where=where, threads=threads)
    figure.suptitle(title)
    return figure


def write_figure(figure: "Figure", form: str, dpi: int, path: Path) -> None:
    """Write a figure as "png", "svg" or "pdf", whatever the name of the file."""
    content = io.BytesIO()
    figure.savefig(content, format=form, dpi=dpi)
    path.write_bytes(content.getvalue())


KINDS: dict[str, Callable[..., Any]] = {
    "histogram": draw_histogram,
    "image": draw_image,
    "elbow": draw_elbow,
}


def plot(codebook: Codebook, data: Any, ax: Any, kind: str, options: dict[str, Any]) -> Any:
    """See `Codebook.plot`."""
    check_choice("kind", kind, tuple(KINDS))
    _, _, _, *accepted = inspect.signature(KINDS[kind]).parameters
    for name in options:
        if name not in accepted:
            raise TypeError(
                f"kind={kind!r} has no option {name!r}; accepted are {', '.join(accepted)}"
            )
    return KINDS[kind](codebook, data, ax, **options)


# Axes


def _matplotlib(module: str = "matplotlib") -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"pictures need matplotlib ({error}): pip install 'levelsnap[plot]'"
        ) from error


def check_matplotlib() -> None:
    """Raise ImportError, naming the extra, where it is missing."""
    _matplotlib("matplotlib.axes")


def _check_axes(ax: Any) -> None:
    if not isinstance(ax, _matplotlib("matplotlib.axes").Axes | None):
        raise TypeError(f"ax must be a matplotlib Axes or None, given {type(ax).__name__}")


def _two_axes(axes: Any) -> NDArray[Any]:
    given = np.ravel(np.array(axes, dtype=object))
    for ax in given:
        _check_axes(ax)
    if len(given) != 2:
        raise TypeError(
            f"images are drawn into two Axes, as plt.subplots(1, 2) gives them; given {len(given)}"
        )
    return given


def _new_axes(n: int) -> NDArray[Any]:
    """`n` Axes side by side in a new figure of pyplot, which shows it where that is the way."""
    pyplot = _matplotlib("matplotlib.pyplot")
    width, height = pyplot.rcParams["figure.figsize"]
    linked = n > 1  # to zoom both
    _, axes = pyplot.subplots(
        *(1, n), sharex=linked, sharey=linked, squeeze=False, layout="constrained",
        figsize=(width * (1 + n) / 2, height),
    )  # fmt: skip
    return axes[0]


def _ink() -> Any:
    return _matplotlib().rcParams["text.color"]


def _number(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


# Histogram


def _edges(values: NDArray[Any], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of at most `BINS` equal bins for values and levels; for integers each of as many integers."""
    low, high = min(float(values[0]), centers[0]), max(float(values[-1]), centers[-1])
    _check_span(low, high)
    if values.dtype.kind == "f":
        edges = np.linspace(low, high, BINS + 1)
    else:
        first, last = math.floor(low), math.ceil(high)
        width = -(-(last - first + 1) // BINS)
        bins = -(-(last - first + 1) // width)
        edges = np.array([first + width * i for i in range(bins + 1)], np.float64) - 0.5
    if (np.diff(edges) > 0).all():
        return edges
    pad = max(0.5, 2 * float(np.spacing(max(abs(low), abs(high)))))
    return np.array([low - pad, high + pad])


def _check_span(low: float, high: float) -> None:
    if max(-low, high) > MAX_DRAWN:
        raise ValueError(
            f"values and levels from {low} to {high} cannot be drawn; accepted are {-MAX_DRAWN} to "
            f"{MAX_DRAWN}"
        )


def _sums(
    values: NDArray[Any], counts: NDArray[Any], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The counts of ascending values in bins; a value at an edge belongs to the upper bin."""
    ends = np.searchsorted(values, edges[1:-1])
    totals = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    return np.diff(totals[[0, *ends, len(values)]])


def _draw_lines(codebook: Codebook, ax: "Axes") -> None:
    """A line at each level and each threshold; of many levels some, at equal steps of the label."""
    every = -(-codebook.k // LEVELS)
    name = _number(codebook.k, "level")
    name = name if every == 1 else f"1 in {every:,} of {name}"
    _draw_positions(ax, codebook.centers[::every], name, colors=BLUE, linewidths=1.5)
    if 1 < codebook.k <= LEVELS // 2:
        name = _number(codebook.k - 1, "threshold")
        thresholds = codebook.thresholds(np.float64)
        _draw_positions(ax, thresholds, name, colors=_ink(), linewidths=1, linestyles="--")


def _draw_positions(ax: "Axes", x: NDArray[np.float64], label: str, **style: Any) -> None:
    """Lines over the whole height, which leave the limits of the Axes alone."""
    lines = _matplotlib("matplotlib.collections").LineCollection(
        [[(position, 0), (position, 1)] for position in x.tolist()],
        transform=ax.get_xaxis_transform(),
        label=label,
        **style,
    )
    ax.add_collection(lines, autolim=False)


# Elbow


def _draw_curve(
    choice: KChoice, ax: "Axes | None", label: str, point: tuple[int, float], point_label: str
) -> "Axes":
    """The fit of each number of levels, and one point."""
    if ax is None:
        ax = _new_axes(1)[0]
    ax.plot(choice.ks, choice.gvf, ".-", color=_ink(), linewidth=1, label=label)
    k, gvf = point
    ax.plot([k], [gvf], "D", ms=9, mfc="none", mew=2, color=BLUE, label=point_label)
    ax.set(xlabel="levels", ylabel="goodness of variance fit")
    ax.set(xlim=(0, len(choice.ks) + 1), ylim=(-0.02, 1.05))
    ax.xaxis.set_major_locator(_matplotlib("matplotlib.ticker").MaxNLocator(integer=True))
    ax.legend(loc="lower right", framealpha=1)
    return ax


# Images


def _view(image: Any, where: Any) -> tuple[np.ma.MaskedArray, str, list[int]]:
    """What is drawn of an image: not too many pixels, skipped ones and NaN masked.

    A last axis of 3 or 4 is color; of other axes before the last two the middle is taken. The
    string says which, the numbers are the steps along the two axes.
    """
    if (foreign := adaptor(image)) is not None:
        parts = list(foreign.parts(image, where))
        if len(parts) != 1:
            raise TypeError(f"one image is drawn; {type(image).__name__} holds {len(parts)}")
        image, where = parts[0]
    else:
        array, asked, mask, _ = examine(image, where)
        image = np.ma.MaskedArray(array, np.ma.nomask if mask is None else mask)
        where = True if asked is None else asked
    shape = image.shape
    if 0 in shape:
        raise ValueError(f"nothing to draw: the image has shape {shape}")
    channels = 1 if len(shape) > 2 and shape[-1] in (3, 4) else 0
    rows = max(len(shape) - 2 - channels, 0)
    planes = [n // 2 for n in shape[:rows]]
    steps = [-(-n // VIEW) for n in shape[rows : len(shape) - channels]]
    index = (*planes, *(slice(None, None, step) for step in steps), ...)
    # What is lazy is computed now.
    view = np.asanyarray(image[index])
    view, asked, mask, _ = examine(view, where if where is True else np.asarray(where[index]))
    hidden = np.isnan(view)
    if asked is not None:
        hidden |= ~asked
    if mask is not None:
        hidden |= mask
    missing = 2 - len(steps)  # of a row of pixels, or one
    full = (1,) * missing + view.shape
    name = f" [{', '.join(map(str, planes))}]" if planes else ""
    return np.ma.MaskedArray(view.reshape(full), hidden.reshape(full)), name, [1] * missing + steps


def _range(view: np.ma.MaskedArray, snapped: np.ma.MaskedArray) -> tuple[float, float]:
    """The least and the largest that is shown, the same for both images."""
    low, high = 0.0, 1.0
    finite = [x.data[~x.mask & np.isfinite(x.data)] for x in (view, snapped)]
    if len(finite[0]):
        low = min(float(x.min()) for x in finite)
        high = max(float(x.max()) for x in finite)
        _check_span(low, high)
    return low, high


def _colors(shown: np.ma.MaskedArray, low: float, high: float) -> NDArray[np.float64]:
    """RGBA in 0 .. 1; transparent where a channel is masked."""
    if shown.dtype == np.uint8:
        low, high = 0.0, 255.0
    elif shown.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    colors = np.ones((*shown.shape[:2], 4))
    scaled = (shown.filled(0).astype(np.float64) - low) / ((high - low) or 1.0)
    colors[..., : shown.shape[2]] = scaled.clip(0, 1)
    colors[shown.mask.any(axis=-1)] = 0
    return colors


# Data


def _counted(data: Histogram | ArrayLike, where: ArrayLike, threads: int | None) -> Histogram:
    if isinstance(data, Histogram):
        if where is not True:
            raise ValueError("where applies to an image; a histogram has no elements to skip")
        return data
    if _is_large(data):
        return _cells(data, where)
    return histogram(data, where=where, threads=threads)


def _finite(counted: Histogram) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Finite values, their counts, and the sum of the others'."""
    finite = np.isfinite(counted.values)
    infinite = float(counted.counts[~finite].sum())
    return counted.values[finite], counted.counts[finite], infinite


def _is_large(data: ArrayLike) -> bool:
    """Whether an image may have too many distinct values for a histogram of them all."""
    if adaptor(data) is not None:
        return False
    array = examine(data, True)[0]
    return array.size > COUNTED and array.itemsize > 2


def _cells(image: ArrayLike, where: ArrayLike) -> Histogram:
    """The histogram of an image snapped to cells; in two reads, block by block."""
    array, asked, mask, _ = examine(image, where)
    low, high = math.inf, -math.inf
    for x, here in blocks(array, asked, mask):
        finite = x[here & np.isfinite(x)]
        if len(finite):
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:
        low = high = 0.0
    _check_span(low, high)
    number = CELLS if array.dtype.kind == "f" else int(min(CELLS, high - low + 1))
    cells = Codebook(np.unique(np.linspace(low, high, number)))
    counts = np.zeros(cells.k + 2, np.uint64)
    for x, here in blocks(array, asked, mask):
        labels = cells.labels(x[here & np.isfinite(x)])
        counts[1:-1] += np.bincount(labels, minlength=cells.k).astype(np.uint64)
        counts[0] += np.uint64(np.count_nonzero(here & (x == -np.inf)))
        counts[-1] += np.uint64(np.count_nonzero(here & (x == np.inf)))
    values = np.concatenate([[-np.inf], cells.centers, [np.inf]])
    return Histogram(values[counts > 0], counts[counts > 0])


def _sample(image: ArrayLike, where: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
    """At most `SAMPLED` elements of an image, evenly spaced along each axis, and their where."""
    array, asked, mask, _ = examine(image, where)
    lengths = list(array.shape)
    while math.prod(lengths) > SAMPLED:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    steps = [-(-n // length) for n, length in zip(array.shape, lengths, strict=True)]
    index = tuple(slice(None, None, step) for step in steps)
    sample = np.ma.MaskedArray(array[index], np.ma.nomask if mask is None else mask[index])
    return sample, True if asked is None else asked[index]
