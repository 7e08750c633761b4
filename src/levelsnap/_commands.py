"""The commands: read, call the library, write; every failure is one line and exit code 2."""

import itertools
import math
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce, wraps
from pathlib import Path
from typing import Any

import click
import numpy as np

from . import Codebook, Histogram, __version__, choose_k, distinct, get_num_threads, histogram
from . import fit as fit_levels
from .dtypes import cast
from .files import blaming, target_of, together, write_together
from .raster import (
    check_output,
    check_targets,
    create_image,
    is_image,
    is_lossy,
    open_image,
    readable,
    write_images,
)
from .threads import check_threads
from .windows import (
    COMPRESSIONS,
    Image,
    Output,
    Reader,
    Window,
    Writer,
    as_number,
    cut,
    default_memory,
    elements_for,
    whole_window,
)

PROGRESS_AFTER = 1.0  # seconds: what is over by then needs no bar


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


class Size(click.ParamType):
    """A number of bytes with a unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)(b?)\s*", value.lower())
        size = 0
        if found:
            number, prefix, binary, _ = found.groups()
            size = int(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix or " "))
        if size < 1:
            self.fail(f"{value!r} is no size; accepted is a number with a unit: 200MB, 1.5GiB")
        return size


class Number(click.ParamType):
    """As `as_number`."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return as_number(value)
        except ValueError:
            self.fail(f"{value!r} is no number")


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
    click.option(
        "--approximate", is_flag=True, help="Allow more than 16,777,216 distinct values, on a grid."
    ),
)


@dataclass(frozen=True)
class Run:
    """The options that every command has, and how images are read by them."""

    threads: int | None
    quiet: bool
    memory: int
    nodata: float | None

    @property
    def workers(self) -> int:
        """Threads that decode and encode."""
        return get_num_threads() if self.threads is None else check_threads(self.threads)

    def open(self, path: Path) -> Reader:
        return open_image(path, nodata=self.nodata, threads=self.workers)

    def windows(
        self, reader: Reader, path: Path, doing: str, *writers: Writer, again: bool = False
    ) -> Iterator[tuple[Window, Image]]:
        """All pixels of an image, by windows of which several fit into the memory.

        If they are asked for `again`, those of an image that fits, too, are kept.
        """
        total = math.prod(reader.shape)
        # Pixels and their mask take half of the memory at most, and windows the rest.
        keep = again and total * reader.dtype.itemsize <= self.memory // 4
        limit = elements_for(self.memory // 2, reader.dtype)
        done = 0
        with _progress(self.quiet, doing) as progress:
            blocks = [writer.block for writer in writers]
            ordered = [writer.block for writer in writers if writer.ordered]
            for window in cut(reader.shape, limit, reader.block, *blocks, ordered=ordered):
                with readable(path):
                    image = reader.read(window, keep=keep)
                yield window, image
                done += image.size
                if progress:
                    progress(done, total)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that reach the command as one `run`."""

    @options(
        click.option(
            *("--nodata", "nodata"),
            type=Number(),
            metavar="VALUE",
            help="Pixels that stand for nothing, instead of those that IN names.",
        ),
        click.option(
            *("--memory", "memory"),
            type=Size(),
            metavar="SIZE",
            help="What images may take, about, such as 200MB; larger ones are read and written by "
            "windows (default: a quarter of what there is).",
        ),
        click.option("--threads", type=int, metavar="N", help="At most N (default: one per CPU)."),
        click.option("-q", "--quiet", is_flag=True, help="No summary, no progress bar."),
    )
    @wraps(command)
    def packed(
        threads: int | None, quiet: bool, memory: int | None, nodata: float | None, **others: Any
    ) -> Any:
        run = Run(threads, quiet, memory or default_memory(), nodata)
        return command(run=run, **others)

    return packed


labels_option = click.option(
    "--labels",
    "labels_path",
    type=FILE,
    metavar="FILE",
    help="Write each pixel's level number (0 to K - 1) too.",
)
write_options = options(
    labels_option,
    click.option(
        "--compression", type=click.Choice(COMPRESSIONS), help="Of TIFF and zarr (default: IN's)."
    ),
    click.option("--overviews", is_flag=True, help="Build the overviews of a GeoTIFF."),
)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def levelsnap() -> None:
    """Snap every pixel of a grey image to the nearest of K levels, exactly.

    Files are .npy, .tif, .zarr, .png, .jpg, .bmp or .pgm by their suffix, and IN may be what GDAL
    reads; the bit depth is kept. Large files pass through little memory.

    \b
    Example:
      levelsnap quantize photo.png snapped.png -k 8
    """


@levelsnap.command(short_help="Fit levels to an image and snap it to them.")
@click.argument("image_path", metavar="IN", type=FILE)
@click.argument("out", type=FILE)
@fit_options
@write_options
@click.option(
    "--codebook", "codebook_path", type=FILE, metavar="FILE", help="Write the levels as JSON too."
)
@run_options
def quantize(
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    codebook_path: Path | None,
    compression: str | None,
    overviews: bool,
    run: Run,
    **choices: Any,
) -> None:
    """Fit K levels to the image IN and write it, snapped to them, as OUT.

    IN and OUT may be the same file.

    \b
    Example:
      levelsnap quantize dem.tif snapped.tif -k 8 --labels labels.png
    """

    def codebook_of(reader: Reader) -> Codebook:
        values = Merging(counted=choices["weights"] == "counts")
        for _, image in run.windows(reader, image_path, "Reading", again=True):
            if labels_path and not reader.masked:
                refuse_nan(image, image_path)
            values.add(image, run.threads)
        return fit_with_progress(values.merged(), run, **choices)

    snap_file(
        *(run, image_path, out, labels_path, codebook_path),
        k=choices["k"],
        codebook_of=codebook_of,
        compression=compression,
        overviews=overviews,
    )


@levelsnap.command(short_help="Fit levels to one or more images.")
@click.argument("image_paths", metavar="IN...", nargs=-1, required=True, type=FILE)
@click.option(
    "-o",
    "codebook_path",
    type=FILE,
    metavar="FILE",
    help="The JSON file to write; else standard output, and the summary goes to standard error.",
)
@fit_options
@run_options
def fit(
    image_paths: tuple[Path, ...], codebook_path: Path | None, run: Run, **choices: Any
) -> None:
    """Fit K levels to all the images IN together and write them as JSON.

    \b
    Example:
      levelsnap fit tiles/*.tif -k 8 -o levels.json
    """
    started = time.perf_counter()
    check_codebook(codebook_path)
    if codebook_path:
        check_targets(codebook_path)
    values, pixels = values_of(image_paths, run, counted=choices["weights"] == "counts")
    codebook = fit_with_progress(values, run, **choices)
    if codebook_path:
        write_images({codebook_path: codebook})
    else:
        click.echo(codebook._to_json(), nl=False)
    summarize(codebook, pixels, started, run.quiet, err=codebook_path is None)


@levelsnap.command(short_help="Snap an image to levels that fit wrote.")
@click.argument("levels_path", metavar="LEVELS", type=FILE)
@click.argument("image_path", metavar="IN", type=FILE)
@click.argument("out", type=FILE)
@write_options
@run_options
def apply(
    levels_path: Path,
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    compression: str | None,
    overviews: bool,
    run: Run,
) -> None:
    """Snap the image IN to the levels of a JSON file that fit wrote, as OUT.

    \b
    Example:
      levelsnap apply levels.json tile.tif snapped.tif
    """
    codebook = Codebook.load(levels_path)
    snap_file(
        *(run, image_path, out, labels_path, None),
        k=codebook.k,
        codebook_of=lambda reader: codebook,
        compression=compression,
        overviews=overviews,
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
def choose(image_paths: tuple[Path, ...], run: Run, **choices: Any) -> None:
    """Fit 1 to K levels to all the images IN together and show how well each number fits.

    The line of the chosen number is marked with *; with --quiet only the number is printed.

    \b
    Example:
      levelsnap choose dem.tif --k-max 12
    """
    values, _ = values_of(image_paths, run, counted=choices["weights"] == "counts")
    with _progress(run.quiet, "Fitting") as progress:
        choice = choose_k(values, threads=run.threads, progress=progress, **choices)
    if run.quiet:
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


@levelsnap.command(short_help="Draw an image, its levels and how well they fit.")
@click.argument("image_path", metavar="IN", type=FILE)
@click.option("-k", type=int, metavar="K", help="Number of levels to fit.")
@click.option(
    "--levels",
    "levels_path",
    type=FILE,
    metavar="LEVELS",
    help="Draw the levels of a JSON file that fit wrote, instead of -k.",
)
@click.option(
    "-o", "out", type=FILE, required=True, metavar="FILE", help="A .png, .svg or .pdf to write."
)
@weights_option
@click.option(
    "--dpi",
    type=click.IntRange(10, 1000),
    default=100,
    show_default=True,
    help="Dots per inch: a PNG has 10 x 7 inches.",
)
@run_options
def plot(
    image_path: Path,
    k: int | None,
    levels_path: Path | None,
    out: Path,
    weights: str,
    dpi: int,
    run: Run,
) -> None:
    """Draw the image IN and its levels.

    The picture shows the image before and after, its histogram (linear and logarithmic) with the
    levels and thresholds, and how well 1, 2, 3 ... levels fit.

    \b
    Example:
      levelsnap plot dem.tif -k 8 -o levels.png
    """
    started = time.perf_counter()
    if (k is None) == (levels_path is None):
        raise ValueError("give either -k or --levels")
    from . import plots

    check_figure(out, plots.FORMATS, image_path)
    plots.check_matplotlib()
    codebook = Codebook.load(levels_path) if levels_path else None
    with run.open(image_path) as reader, readable(image_path):
        image = reader.read(whole_window(reader.shape))
    if codebook is None:
        codebook = fit_with_progress(image, run, k=k, weights=weights)
    figure = plots.overview(
        codebook, image, weights=weights, threads=run.threads, title=image_path.name
    )
    write_together({out: partial(plots.write_figure, figure, out.suffix.lower()[1:], dpi)})
    summarize(codebook, image.size, started, run.quiet)


@levelsnap.command(short_help="Describe an image or a file of levels.")
@click.argument("path", metavar="FILE", type=FILE)
@run_options
def info(path: Path, run: Run) -> None:
    """Describe an image, or the levels in a JSON file."""
    facts = codebook_facts(path) if may_be_codebook(path) else image_facts(path, run)
    for name, value in facts.items():
        click.echo(f"{name}: {value}")


class Merging:
    """The distinct values of many windows of one or more images, and their counts if asked for.

    Without that each counts once, which is quicker.
    """

    def __init__(self, *, counted: bool) -> None:
        self._counted = counted
        self._waiting: dict[np.dtype, list[Histogram]] = {}

    def add(self, image: Image, threads: int | None) -> None:
        if self._counted:
            found = histogram(image, threads=threads)
        else:
            values = distinct(image, threads=threads)
            found = Histogram._trusted(values, np.ones(len(values), np.uint64))
        waiting = self._waiting.setdefault(found.values.dtype, [])
        waiting.append(found)
        # Only when they have grown as long as what was merged before: not with each of n windows.
        if len(waiting) > 1 and sum(map(len, waiting[1:])) >= len(waiting[0]):
            waiting[:] = [Histogram.merge(*waiting)]

    def merged(self) -> Histogram:
        return Histogram.merge(*itertools.chain(*self._waiting.values()))


def values_of(paths: tuple[Path, ...], run: Run, *, counted: bool) -> tuple[Histogram, int]:
    """Of all images together, and how many pixels they have."""
    pixels = 0
    values = Merging(counted=counted)
    for path in paths:
        with run.open(path) as reader:
            pixels += math.prod(reader.shape)
            for _, image in run.windows(reader, path, f"Reading {path.name}"):
                values.add(image, run.threads)
    return values.merged(), pixels


def image_facts(path: Path, run: Run) -> dict[str, Any]:
    values, hidden = Merging(counted=True), 0
    with run.open(path) as reader:
        for _, image in run.windows(reader, path, "Reading"):
            values.add(image, run.threads)
            hidden += np.ma.count_masked(image)
        merged = values.merged()
        pixels = math.prod(reader.shape)
        nodata = {}
        if reader.nodata is not None:
            nodata["nodata"] = f"{_plain(reader.nodata)} ({hidden} pixels)"
        known = len(merged) > 0
        return {
            "shape": " x ".join(map(str, reader.shape)),
            "dtype": reader.dtype,
            "pixels": pixels,
            **nodata,
            "distinct values": len(merged),
            "min": merged.values[0] if known else "none",
            "max": merged.values[-1] if known else "none",
            "NaN": pixels - hidden - int(merged.counts.sum()),
        }


def codebook_facts(path: Path) -> dict[str, Any]:
    codebook = Codebook.load(path)
    return {
        "k": codebook.k,
        "gap": "unknown" if codebook.gap is None else codebook.gap,
        "centers": " ".join(map(repr, codebook.centers.tolist())),
    }


def snap_file(
    run: Run,
    image_path: Path,
    out: Path,
    labels_path: Path | None,
    codebook_path: Path | None,
    *,
    k: int,
    codebook_of: Callable[[Reader], Codebook],
    compression: str | None,
    overviews: bool,
) -> None:
    """Snap one image; what cannot be written is refused before the codebook is asked for."""
    started = time.perf_counter()
    check_codebook(codebook_path)
    check_targets(*(path for path in (out, labels_path, codebook_path) if path))
    with run.open(image_path) as reader, ExitStack() as places:
        plan = Output(
            *(reader.shape, reader.dtype, reader),
            nodata=reader.nodata,
            compression=compression,
            overviews=overviews,
            threads=run.workers,
        )
        outputs = {out: plan} | ({labels_path: labels_plan(plan, k)} if labels_path else {})
        for path, output in outputs.items():
            check_output(path, output)
        codebook = codebook_of(reader)
        warn_of_nodata(codebook, reader, out)

        besides = places.enter_context(
            together(*outputs, *([codebook_path] if codebook_path else []))
        )
        with ExitStack() as stack:
            writers = {
                path: stack.enter_context(writing(path, besides[path], output))
                for path, output in outputs.items()
            }
            write_windows(run, image_path, reader, codebook, outputs, writers)
        if codebook_path:
            with blaming(codebook_path):
                codebook._write(besides[codebook_path])
        reader.close()  # on Windows a file cannot be replaced while it is open
    if is_lossy(out):
        _show_warning(f"JPEG is lossy: the pixels of {out} are not exactly the levels")
    summarize(codebook, math.prod(reader.shape), started, run.quiet)


def labels_plan(plan: Output, k: int) -> Output:
    """Labels in the smallest dtype, with a label of its own for nodata."""
    assert plan.source
    masked = plan.source.masked
    highest = min(max(k if masked else k - 1, 0), 2**32 - 1)  # a K outside is refused by the fit
    dtype = np.min_scalar_type(highest)
    nodata = int(np.iinfo(dtype).max) if masked else None
    return replace(plan, dtype=dtype, nodata=nodata, labels=True)


@contextmanager
def writing(path: Path, beside: Path, output: Output) -> Iterator[Writer]:
    """A writer that is finished at the end of the block, unless the block raises."""
    with blaming(path):
        writer = create_image(path, beside, output)
    try:
        yield writer
        with blaming(path):
            writer.finish()
    finally:
        writer.close()


def write_windows(
    run: Run,
    image_path: Path,
    reader: Reader,
    codebook: Codebook,
    outputs: dict[Path, Output],
    writers: dict[Path, Writer],
) -> None:
    plan = next((output for output in outputs.values() if output.labels), None)
    for window, image in run.windows(reader, image_path, "Snapping", *writers.values()):
        if plan is None:
            results = [codebook.snap(image, threads=run.threads)]
        else:
            if plan.nodata is None:
                refuse_nan(image, image_path)
            labels, snapped = codebook.labels_and_snap(
                image,
                dtype=(plan.dtype, None),
                nan="raise" if plan.nodata is None else int(plan.nodata),
                threads=run.threads,
            )
            if isinstance(labels, np.ma.MaskedArray):
                labels.data[labels.mask] = plan.nodata
            results = [snapped, labels]
        for (path, writer), result in zip(writers.items(), results, strict=True):
            with blaming(path):
                writer.write(window, np.asarray(result))


def may_be_codebook(path: Path) -> bool:
    """Whether a file is to be read as JSON, rather than as an image: GDAL's may have any suffix."""
    if is_image(path):
        return False
    if path.suffix.lower() == ".json" or not path.is_file():
        return True
    with path.open("rb") as file:
        return file.read(1) == b"{"


def check_codebook(path: Path | None) -> None:
    """Refuse an image's name for a codebook: it is an input that would be lost."""
    if path and is_image(path):
        raise ValueError(f"{path}: a codebook is JSON; name it .json, not {path.suffix}")


def check_figure(path: Path, formats: tuple[str, ...], image_path: Path) -> None:
    if path.suffix.lower() not in formats:
        raise ValueError(
            f"{path}: suffix {path.suffix!r} is not one of a picture; accepted are "
            + ", ".join(formats)
        )
    if target_of(path) == target_of(image_path):
        raise ValueError(f"{path}: the picture would replace the image")
    check_targets(path)


def refuse_nan(image: Image, path: Path) -> None:
    # A minimum is NaN if any element is, and needs no boolean image.
    if image.dtype.kind == "f" and image.size and np.isnan(image.min()):
        raise ValueError(
            f"{path} has NaN, which has no label: give it one by --nodata nan, or leave out "
            "--labels (NaN stays NaN in OUT)"
        )


def _plain(nodata: float) -> str:
    return str(nodata) if isinstance(nodata, int) else f"{nodata:g}"


def warn_of_nodata(codebook: Codebook, reader: Reader, path: Path) -> None:
    if reader.nodata is not None and reader.nodata in cast(codebook.centers, reader.dtype):
        _show_warning(f"a level is {_plain(reader.nodata)}, which stands for nodata in {path}")


def fit_with_progress(values: Histogram | Image, run: Run, **choices: Any) -> Codebook:
    with _progress(run.quiet, "Fitting") as progress:
        return fit_levels(values, threads=run.threads, progress=progress, **choices)


@contextmanager
def _progress(quiet: bool, doing: str) -> Iterator[Callable[[int, int], None] | None]:
    """A callback that draws a bar once it takes long; None where nobody would see it."""
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
                    click.progressbar(length=total, label=doing, file=sys.stderr)
                )
            if bar is not None:
                bar.update(done - bar.pos)

        yield progress


def summarize(
    codebook: Codebook, pixels: int, started: float, quiet: bool, err: bool = False
) -> None:
    if quiet:
        return
    levels = [f"{center:.6g}" for center in codebook.centers]
    if len(levels) > 8:
        levels[3:-3] = ["..."]
    seconds = time.perf_counter() - started
    click.echo(
        f"K = {codebook.k}, levels {' '.join(levels)}, {pixels} pixels, {seconds:.2f} s", err=err
    )
