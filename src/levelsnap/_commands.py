"""The commands: read, call the library, write; every failure is one line and exit code 2."""

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click
import numpy as np

from . import Codebook, Histogram, __version__, choose_k, histogram
from . import fit as fit_levels
from .raster import check_image, check_targets, is_image, is_lossy, read_image, write_images

PROGRESS_AFTER = 1.0  # seconds: a fit that is over by then needs no bar


class Failure(click.ClickException):
    """Shown as ``Error: ...`` without the usage."""

    exit_code = 2


class OneLineErrors(click.Group):
    """Turns what the library and the system raise, or warn of, into one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise  # click's own; it leaves quietly when the reader of our output has gone
            except OSError as error:
                reason = error.strerror or str(error)
                message = f"{error.filename}: {reason}" if error.filename else reason
            except MemoryError as error:
                message = f"not enough memory: {error}"
            except (ImportError, TypeError, ValueError) as error:
                message = str(error)
            except Exception as error:  # such as cv2.error
                message = f"{type(error).__name__}: {error}"
            raise Failure(" ".join(message.split()))


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"Warning: {' '.join(str(message).split())}", err=True)


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One decorator of several, listed in the order of the help text."""
    return lambda command: reduce(lambda inner, add: add(inner), reversed(decorators), command)


FILE = click.Path(path_type=Path, readable=False)

weights_option = click.option(
    "--weights",
    type=click.Choice(["distinct", "counts"]),
    default="distinct",
    show_default=True,
    help="Count each distinct value once, or each pixel once.",
)
fit_options = options(
    click.option("-k", type=int, required=True, metavar="K", help="Number of levels."),
    click.option(
        "--method",
        type=click.Choice(["optimal", "lloyd", "opencv"]),
        default="optimal",
        show_default=True,
        help="optimal: the best K levels there are. lloyd: quick, local. opencv: cv2.kmeans.",
    ),
    weights_option,
    click.option("--seed", type=int, metavar="N", help="Of the random starts of lloyd and opencv."),
)
run_options = options(
    click.option("--threads", type=int, metavar="N", help="At most N (default: one per CPU)."),
    click.option("-q", "--quiet", is_flag=True, help="No summary, no progress bar."),
)
labels_option = click.option(
    "--labels",
    "labels_path",
    type=FILE,
    metavar="FILE",
    help="Write each pixel's level number (0 to K - 1) too.",
)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def levelsnap() -> None:
    """Snap every pixel of a grey image to the nearest of K levels, exactly.

    Files are .npy, .tif, .png, .jpg, .bmp or .pgm by their suffix; the bit depth is kept.

    \b
    Example:
      levelsnap quantize photo.png snapped.png -k 8
    """


@levelsnap.command(short_help="Fit levels to an image and snap it to them.")
@click.argument("image_path", metavar="IN", type=FILE)
@click.argument("out", type=FILE)
@fit_options
@labels_option
@click.option(
    "--codebook", "codebook_path", type=FILE, metavar="FILE", help="Write the levels as JSON too."
)
@run_options
def quantize(
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    codebook_path: Path | None,
    threads: int | None,
    quiet: bool,
    **choices: Any,
) -> None:
    """Fit K levels to the image IN and write it, snapped to them, as OUT.

    IN and OUT may be the same file.

    \b
    Example:
      levelsnap quantize dem.tif snapped.tif -k 8 --labels labels.png
    """
    snap_file(
        *(image_path, out, labels_path, codebook_path),
        k=choices["k"],
        codebook_of=partial(fit_with_progress, threads=threads, quiet=quiet, **choices),
        threads=threads,
        quiet=quiet,
    )


@levelsnap.command(short_help="Fit levels to one or more images.")
@click.argument("image_paths", metavar="IN...", nargs=-1, required=True, type=FILE)
@click.option(
    "-o", "codebook_path", type=FILE, required=True, metavar="FILE", help="The JSON file to write."
)
@fit_options
@run_options
def fit(
    image_paths: tuple[Path, ...],
    codebook_path: Path,
    threads: int | None,
    quiet: bool,
    **choices: Any,
) -> None:
    """Fit K levels to all the images IN together and write them as JSON.

    \b
    Example:
      levelsnap fit tiles/*.tif -k 8 -o levels.json
    """
    started = time.perf_counter()
    check_codebook(codebook_path)
    check_targets(codebook_path)
    merged, pixels = histogram_of(image_paths, threads)
    codebook = fit_with_progress(merged, threads=threads, quiet=quiet, **choices)
    write_images({codebook_path: codebook})
    summarize(codebook, pixels, started, quiet)


@levelsnap.command(short_help="Snap an image to levels that fit wrote.")
@click.argument("levels_path", metavar="LEVELS", type=FILE)
@click.argument("image_path", metavar="IN", type=FILE)
@click.argument("out", type=FILE)
@labels_option
@run_options
def apply(
    levels_path: Path,
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Snap the image IN to the levels of a JSON file that fit wrote, as OUT.

    \b
    Example:
      levelsnap apply levels.json tile.tif snapped.tif
    """
    codebook = Codebook.load(levels_path)
    snap_file(
        *(image_path, out, labels_path, None),
        k=codebook.k,
        codebook_of=lambda image: codebook,
        threads=threads,
        quiet=quiet,
    )


@levelsnap.command(short_help="Show how well 1, 2, 3 ... levels fit.")
@click.argument("image_paths", metavar="IN...", nargs=-1, required=True, type=FILE)
@click.option(
    "--k-max", type=int, default=32, show_default=True, metavar="K", help="The most levels."
)
@click.option(
    "--criterion",
    type=click.Choice(["bic", "gvf"]),
    default="bic",
    show_default=True,
    help="bic: Bayesian information criterion. gvf: elbow of the goodness of variance fit.",
)
@weights_option
@run_options
def choose(image_paths: tuple[Path, ...], threads: int | None, quiet: bool, **choices: Any) -> None:
    """Fit 1 to K levels to all the images IN together and show how well each number fits.

    The line of the chosen number is marked with *; with --quiet only the number is printed.

    \b
    Example:
      levelsnap choose dem.tif --k-max 12
    """
    merged, _ = histogram_of(image_paths, threads)
    with _progress(quiet) as progress:
        choice = choose_k(merged, threads=threads, progress=progress, **choices)
    if quiet:
        click.echo(choice.k)
        return
    click.echo(f"{'K':>5}  {'inertia':>12}  {'gvf':>8}  {'bic':>14}")
    rows = zip(choice.ks, choice.inertia, choice.gvf, choice.bic, strict=True)
    for k, inertia, gvf, bic in rows:
        mark = " *" if k == choice.k else ""
        bic_text = "-" if math.isnan(bic) else f"{bic:.1f}"
        click.echo(f"{k:>5}  {inertia:>12.6g}  {gvf:>8.6f}  {bic_text:>14}{mark}")
    if np.isnan(choice.bic).any():
        click.echo("-: no bic, as each group is one value or a variance is beyond floats")
    if choice.criterion == "bic" and np.isnan(choice.bic).all():
        click.echo("*: by gvf, as no number has a bic")


@levelsnap.command(short_help="Describe an image or a file of levels.")
@click.argument("path", metavar="FILE", type=FILE)
def info(path: Path) -> None:
    """Describe an image, or the levels in a JSON file."""
    facts = image_facts(path) if is_image(path) else codebook_facts(path)
    for name, value in facts.items():
        click.echo(f"{name}: {value}")


def histogram_of(paths: tuple[Path, ...], threads: int | None) -> tuple[Histogram, int]:
    """Of all images together, and how many pixels they have."""
    pixels = 0
    histograms = []
    for path in paths:
        image = read_image(path)
        pixels += image.size
        histograms.append(histogram(image, threads=threads))
    return Histogram.merge(*histograms), pixels


def image_facts(path: Path) -> dict[str, Any]:
    image = read_image(path)
    values = histogram(image)
    known = len(values.values) > 0
    return {
        "shape": " x ".join(map(str, image.shape)),
        "dtype": image.dtype,
        "pixels": image.size,
        "distinct values": len(values.values),
        "min": values.values[0] if known else "none",
        "max": values.values[-1] if known else "none",
        "NaN": image.size - int(values.counts.sum()),
    }


def codebook_facts(path: Path) -> dict[str, Any]:
    codebook = Codebook.load(path)
    return {
        "k": codebook.k,
        "gap": "unknown" if codebook.gap is None else codebook.gap,
        "centers": " ".join(map(repr, codebook.centers.tolist())),
    }


def snap_file(
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    codebook_path: Path | None,
    *,
    k: int,
    codebook_of: Callable[[np.ndarray], Codebook],
    threads: int | None,
    quiet: bool,
) -> None:
    """Snap one image; what cannot be written is refused before the codebook is asked for."""
    started = time.perf_counter()
    check_codebook(codebook_path)
    check_targets(*(path for path in (out, labels_path, codebook_path) if path))
    image = read_image(image_path)
    check_image(out, image.shape, image.dtype)
    if labels_path:
        check_labels(labels_path, image, image_path, k)

    codebook = codebook_of(image)
    contents: dict[Path, np.ndarray | Codebook] = {}
    if labels_path:
        labels, snapped = codebook.labels_and_snap(image, threads=threads)
        contents[labels_path] = np.asarray(labels)
    else:
        snapped = codebook.snap(image, threads=threads)
    contents[out] = np.asarray(snapped)
    if codebook_path:
        contents[codebook_path] = codebook

    pixels = image.size
    del image  # on Windows a file cannot be replaced while it is mapped
    write_images(contents)
    if is_lossy(out):
        _show_warning(f"JPEG is lossy: the pixels of {out} are not exactly the levels")
    summarize(codebook, pixels, started, quiet)


def check_codebook(path: Path | None) -> None:
    """Refuse an image's name for a codebook: it is an input that would be lost."""
    if path and is_image(path):
        raise ValueError(f"{path}: a codebook is JSON; name it .json, not {path.suffix}")


def check_labels(path: Path, image: np.ndarray, image_path: Path, k: int) -> None:
    highest = min(max(k - 1, 0), 2**32 - 1)  # a K outside is refused by the fit
    check_image(path, image.shape, np.min_scalar_type(highest), exact=True)
    # A minimum is NaN if any element is, and needs no boolean image.
    if image.dtype.kind == "f" and image.size and np.isnan(image.min()):
        raise ValueError(
            f"{image_path} has NaN, which has no label: fill it first, or leave out --labels "
            "(NaN stays NaN in OUT)"
        )


def fit_with_progress(
    data: np.ndarray | Histogram, *, threads: int | None, quiet: bool, **choices: Any
) -> Codebook:
    with _progress(quiet) as progress:
        return fit_levels(data, threads=threads, progress=progress, **choices)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A callback that draws a bar once the fit is long; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    started = time.perf_counter()
    bar = None
    with ExitStack() as stack:

        def progress(done: int, total: int) -> None:
            nonlocal bar
            if bar is None and time.perf_counter() - started > PROGRESS_AFTER:
                bar = stack.enter_context(
                    click.progressbar(length=total, label="Fitting", file=sys.stderr)
                )
            if bar is not None:
                bar.update(done - bar.pos)

        yield progress


def summarize(codebook: Codebook, pixels: int, started: float, quiet: bool) -> None:
    if quiet:
        return
    levels = [f"{center:.6g}" for center in codebook.centers]
    if len(levels) > 8:
        levels[3:-3] = ["..."]
    seconds = time.perf_counter() - started
    click.echo(f"K = {codebook.k}, levels {' '.join(levels)}, {pixels} pixels, {seconds:.2f} s")
