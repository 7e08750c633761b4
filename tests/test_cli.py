"""The command line: the same results as in Python, and one line for each thing that goes wrong."""

import os
import re
import subprocess
import sys
import warnings
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

import levelsnap
from levelsnap.cli import main
from levelsnap.raster import read_image
from levelsnap.windows import NpyWriter

pytest.importorskip("tifffile")
pytest.importorskip("click")

from levelsnap import _commands

EXAMPLES = Path(__file__).parents[1] / "examples"
try:
    import cv2
except ImportError:  # free-threaded Pythons have no wheels of it
    cv2 = None
needs_cv2 = pytest.mark.skipif(cv2 is None, reason="OpenCV reads and writes PNG")
SUFFIXES = [".npy", ".tif", *([".png", ".jpg"] if cv2 else [])]
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")


def files_in(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and os.access(path, os.R_OK)
    }


@pytest.fixture
def command(monkeypatch, capfd):
    """Run the console script in this process: (exit code, stdout, stderr).

    The outputs are those of the file descriptors, so that what C libraries print is in them.
    """

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["levelsnap", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def succeeds(command):
    def run(*arguments):
        code, out, err = command(*arguments)
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def fails(command, tmp_path):
    """Run a command that must fail with one line, and leave every file as it was."""

    def run(*arguments):
        before = files_in(tmp_path)
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"Error: .+\n", err), err
        assert files_in(tmp_path) == before
        return err

    return run


@pytest.fixture
def image_file(tmp_path):
    """A small float image as .npy; with `nan`, one NaN in it."""

    def make(name="image.npy", dtype="float32", nan=False):
        image = np.random.default_rng(3).normal(100, 20, (30, 40)).astype(dtype)
        if nan:
            image[3, 4] = np.nan
        np.save(tmp_path / name, image)
        return tmp_path / name

    return make


def assert_same(path, expected):
    read = read_image(path)
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


# What it does


@needs_cv2
@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [("jacksboro_dem.png", "uint16", (344, 403)), ("grace_hopper.png", "uint8", (600, 512))],
)
@pytest.mark.parametrize("weights", ["distinct", "counts"])
def test_quantize_an_example(succeeds, tmp_path, name, dtype, shape, weights):
    image = read_image(EXAMPLES / name)
    assert (image.dtype, image.shape) == (dtype, shape)
    out, labels, levels = (tmp_path / name for name in ("out.png", "labels.png", "levels.json"))
    said = succeeds(
        *("quantize", EXAMPLES / name, out, "-k", 8, "--weights", weights),
        *("--labels", labels, "--codebook", levels),
    )
    codebook = levelsnap.fit(image, 8, weights=weights)
    assert levelsnap.Codebook.load(levels) == codebook
    assert_same(out, codebook.snap(image))
    assert_same(labels, codebook.labels(image))
    assert re.fullmatch(rf"K = 8, levels .*, {image.size} pixels, \d+\.\d\d s\n", said)
    assert set(tmp_path.iterdir()) == {out, labels, levels}


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", ">i4", "uint64"])
def test_quantize_other_dtypes(succeeds, image_file, tmp_path, suffix, dtype):
    path = image_file(dtype=dtype)
    out = tmp_path / f"out{suffix}"
    assert succeeds("quantize", path, out, "-k", 4, "-q") == ""
    image = np.load(path)
    snapped = levelsnap.fit(image, 4).snap(image)
    assert_same(out, snapped if suffix == ".npy" else snapped.astype(np.dtype(dtype).name))


@needs_cv2
def test_more_than_256_levels_give_16_bit_labels(succeeds, image_file, tmp_path):
    labels = tmp_path / "labels.png"
    succeeds("quantize", image_file(), tmp_path / "out.npy", "-k", 300, "--labels", labels)
    assert read_image(labels).dtype == np.uint16


def test_quantize_in_place(succeeds, image_file):
    path = image_file()
    image = np.load(path)
    succeeds("quantize", path, path, "-k", 4)
    assert_same(path, levelsnap.fit(image, 4).snap(image))


@needs_cv2
def test_quantize_with_opencv_and_a_seed(succeeds, image_file, tmp_path):
    path, out = image_file(), tmp_path / "out.npy"
    succeeds("quantize", path, out, "-k", 4, "--method", "opencv", "--seed", 5)
    image = np.load(path)
    assert_same(out, levelsnap.fit(image, 4, method="opencv", seed=5).snap(image))


def test_choose_explains_a_missing_bic(succeeds, tmp_path):
    np.save(tmp_path / "three.npy", np.array([1.0, 2.0, 4.0]))
    lines = succeeds("choose", tmp_path / "three.npy").splitlines()
    assert [line.split()[3] for line in lines[1:4]] == ["-12.0", "-12.9", "-"]
    assert lines[4:] == ["-: no bic, as each group is one value or a variance is beyond floats"]
    np.save(tmp_path / "one.npy", np.ones(3))
    lines = succeeds("choose", tmp_path / "one.npy").splitlines()
    assert lines[1].split() == ["1", "0", "1.000000", "-", "*"]
    assert lines[-1] == "*: by gvf, as no number has a bic"


HOSTILE_OPTIONS = {
    "quantize": ["-k 0", "-k -1", "-k 9999999999999999999999", "-k 1.5", "-k x", "-k", "--foo"],
    "fit": ["--method best", "--weights none", "--seed -1", "--seed x", "--threads 0"],
    "choose": ["--k-max 0", "--k-max x", "--criterion aic", "--threads -1"],
    "apply": ["--threads x", "--labels"],
    "info": ["--threads 0", "second", ""],
}


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, options) for name, several in HOSTILE_OPTIONS.items() for options in several],
)
def test_hostile_options_are_refused(name, options, command, image_file, tmp_path):
    image, levels = image_file("image.npy"), tmp_path / "levels.json"
    levelsnap.Codebook([1, 2]).save(levels)
    arguments = {
        "quantize": [image, tmp_path / "out.npy"] + ([] if "-k" in options else ["-k", 2]),
        "fit": [image, "-o", tmp_path / "out.json", "--method", "lloyd", "-k", 2],
        "choose": [image],
        "apply": [levels, image, tmp_path / "out.npy"],
        "info": [image] if options else ["a\udcffb.npy"],
    }
    before = files_in(tmp_path)
    code, out, err = command(name, *arguments[name], *options.split())
    assert (code, out) == (2, "")
    assert re.search(r"(^|\n)Error: .+\n$", err), err
    assert files_in(tmp_path) == before


DAMAGED = [(name, s) for name in HOSTILE_OPTIONS for s in SUFFIXES[:3]]
DAMAGED += [("apply", ".json"), ("info", ".json")]


@pytest.mark.parametrize(("name", "suffix"), DAMAGED)
def test_a_damaged_file_is_named(name, suffix, fails, image_file, tmp_path):
    damaged, levels = tmp_path / f"damaged{suffix}", tmp_path / "levels.json"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n\0\0II*\0{" + bytes(99))
    levelsnap.Codebook([1, 2]).save(levels)
    pair = [damaged, image_file("image.npy")] if suffix == ".json" else [levels, damaged]
    arguments = {
        "quantize": [damaged, tmp_path / f"out{suffix}", "-k", 2],
        "fit": [damaged, "-k", 2, "-o", tmp_path / "out.json"],
        "choose": [damaged],
        "apply": [*pair, tmp_path / "out.npy"],
        "info": [damaged],
    }
    assert str(damaged) in fails(name, *arguments[name])


def test_choose_shows_every_number_of_levels(succeeds, image_file):
    image = np.load(image_file("image.npy"))
    said = succeeds("choose", image_file("image.npy"), "--k-max", 4, "--weights", "counts")
    expected = levelsnap.choose_k(image, 4, weights="counts")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == ["K", "1", "2", "3", "4"]
    assert [line.endswith("*") for line in lines[1:]] == (expected.ks == expected.k).tolist()
    chosen = succeeds("choose", image_file("image.npy"), "--criterion", "gvf", "--quiet")
    assert int(chosen) == levelsnap.choose_k(image, criterion="gvf").k


@needs_cv2
def test_fit_shares_levels_between_images_and_apply_uses_them(succeeds, image_file, tmp_path):
    whole = np.load(image_file("whole.npy"))
    np.save(tmp_path / "top.npy", whole[:10])
    np.save(tmp_path / "rest.npy", whole[10:])
    levels = tmp_path / "levels.json"
    inputs = tmp_path / "top.npy", tmp_path / "rest.npy"
    said = succeeds("fit", *inputs, "-k", 5, "-o", levels, "--weights", "counts")
    assert f"{whole.size} pixels" in said
    codebook = levelsnap.fit(whole, 5, weights="counts")
    assert levelsnap.Codebook.load(levels) == codebook

    out, labels = tmp_path / "out.tiff", tmp_path / "labels.bmp"
    said = succeeds("apply", levels, tmp_path / "whole.npy", out, "--labels", labels)
    assert said.startswith("K = 5, levels ")
    assert_same(out, codebook.snap(whole))
    assert_same(labels, codebook.labels(whole))


def test_fit_prints_levels_without_a_file(command, image_file, tmp_path):
    code, out, err = command("fit", image_file("image.npy"), "-k", 4)
    assert code == 0
    assert err.startswith("K = 4, levels ")
    (tmp_path / "levels.json").write_text(out)
    codebook = levelsnap.fit(np.load(tmp_path / "image.npy"), 4)
    assert levelsnap.Codebook.load(tmp_path / "levels.json") == codebook
    assert command("fit", tmp_path / "image.npy", "-k", 4, "--quiet") == (0, out, "")


def test_nan_passes_to_the_snapped_image(succeeds, image_file, tmp_path):
    path = image_file(nan=True)
    succeeds("quantize", path, tmp_path / "out.tif", "-k", 4)
    image = np.load(path)
    assert np.isnan(image).sum() == 1
    assert_same(tmp_path / "out.tif", levelsnap.fit(image, 4).snap(image))


@needs_cv2
def test_jpeg_is_written_with_a_warning(command, tmp_path):
    out = tmp_path / "out.jpg"
    code, said, err = command("quantize", EXAMPLES / "grace_hopper.png", out, "-k", 4)
    assert code == 0
    assert said.startswith("K = 4")
    assert re.fullmatch(r"Warning: JPEG is lossy.*\n", err)
    assert read_image(out).shape == (600, 512)


def test_info_of_an_image(succeeds, image_file):
    path = image_file(nan=True)
    image = np.load(path)
    assert succeeds("info", path).splitlines() == [
        "shape: 30 x 40",
        "dtype: float32",
        "pixels: 1200",
        f"distinct values: {len(levelsnap.distinct(image))}",
        f"min: {np.nanmin(image)}",
        f"max: {np.nanmax(image)}",
        "NaN: 1",
    ]


def test_info_of_an_image_of_nan(succeeds, tmp_path):
    np.save(tmp_path / "nan.npy", np.full(3, np.nan))
    assert "min: none\nmax: none\nNaN: 3\n" in succeeds("info", tmp_path / "nan.npy")


def test_info_of_a_codebook(succeeds, tmp_path):
    levelsnap.Codebook([1, 0.1]).save(tmp_path / "levels.json")
    said = succeeds("info", tmp_path / "levels.json")
    assert said == "k: 2\ngap: unknown\ncenters: 0.1 1.0\n"


def test_summary_is_short(succeeds, image_file, tmp_path):
    said = succeeds("quantize", image_file(), tmp_path / "out.npy", "-k", 100)
    assert len(said) < 100
    assert " ... " in said


@pytest.mark.parametrize("name", ["quantize", "fit", "apply", "choose", "plot", "info"])
def test_help(succeeds, name):
    assert name in succeeds("--help")
    assert "Usage: " in succeeds(name, "--help")


def test_version(succeeds):
    assert levelsnap.__version__ in succeeds("--version")


def run_module(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "levelsnap", *arguments], capture_output=True, text=True
    )


@needs_cv2
def test_module_runs_as_a_program(tmp_path):
    run = run_module("quantize", EXAMPLES / "jacksboro_dem.png", tmp_path / "out.tif", "-k", "3")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("K = 3, levels ")
    assert read_image(tmp_path / "out.tif").dtype == np.uint16


# The progress bar


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "after", "shown"),
    [
        (Terminal(), False, -1, True),
        (Terminal(), False, 60, False),
        (Terminal(), True, -1, False),
        (StringIO(), False, -1, False),
    ],
)
def test_progress_is_drawn_for_long_fits_on_a_terminal(monkeypatch, stream, quiet, after, shown):
    def fit(data, k, progress=None, **_):
        if progress:
            progress(1, 2)
            progress(2, 2)

    monkeypatch.setattr(_commands, "fit_levels", fit)
    monkeypatch.setattr(_commands, "PROGRESS_AFTER", after)
    monkeypatch.setattr(sys, "stderr", stream)
    run = _commands.Run(threads=None, quiet=quiet, memory=1, nodata=None)
    _commands.fit_with_progress(np.arange(9), run, k=2)
    assert ("Fitting" in stream.getvalue()) == ("100%" in stream.getvalue()) == shown


# What goes wrong


@pytest.mark.parametrize("k", [0, -1, 1201, 10**25])
def test_k_that_does_not_fit(fails, image_file, tmp_path, k):
    out = tmp_path / "out.npy"
    assert str(k) in fails("quantize", image_file(), out, "-k", k, "--labels", tmp_path / "l.npy")


def test_threads_and_methods_that_are_refused(fails, image_file, tmp_path):
    out = tmp_path / "out.npy"
    assert "threads" in fails("quantize", image_file(), out, "-k", 2, "--threads", 0)
    fails("quantize", image_file(), out, "-k", 2, "--method", "opencv", "--weights", "counts")


def test_wrong_usage_has_exit_code_2(command):
    for arguments in (["quantize"], ["quantize", "a.npy", "b.npy"], ["unheard-of"]):
        code, _, err = command(*arguments)
        assert code == 2
        assert "Usage: " in err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unreadable_image(fails, tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    out = tmp_path / "out.npy"
    for arguments in (("quantize", path, out, "-k", 2), ("info", path)):
        path.unlink(missing_ok=True)
        assert "No such file" in fails(*arguments)
        path.write_bytes(b"")
        assert str(path) in fails(*arguments)
        path.write_bytes(b"not an image\n" * 100)
        assert str(path) in fails(*arguments)


@needs_cv2
def test_truncated_image(fails, tmp_path):
    path = tmp_path / "dem.png"
    path.write_bytes((EXAMPLES / "jacksboro_dem.png").read_bytes()[:60_000])
    assert "dem.png" in fails("quantize", path, tmp_path / "out.npy", "-k", 2)


@needs_cv2
def test_colour_image(fails, tmp_path):
    path = tmp_path / "rgb.png"
    cv2.imwrite(str(path), np.zeros((3, 4, 3), np.uint8))
    assert "convert it to grey first" in fails("quantize", path, tmp_path / "out.png", "-k", 1)


def test_unknown_suffix(fails, image_file, tmp_path):
    assert ".gif" in fails("quantize", tmp_path / "a.gif", tmp_path / "out.npy", "-k", 2)
    assert ".gif" in fails("quantize", image_file(), tmp_path / "out.gif", "-k", 2)


def test_folder_as_a_file(fails, image_file, tmp_path):
    folder = tmp_path / "folder.npy"
    folder.mkdir()
    assert "directory" in fails("quantize", folder, tmp_path / "out.npy", "-k", 2)
    assert "directory" in fails("quantize", image_file(), folder, "-k", 2)
    assert "folder" in fails("quantize", image_file(), tmp_path / "none" / "out.npy", "-k", 2)


@needs_posix
def test_missing_permission(fails, image_file, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may do everything")
    path = image_file()
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    assert "denied" in fails("quantize", path, locked / "out.npy", "-k", 2)
    path.chmod(0o444)
    assert "denied" in fails("quantize", path, path, "-k", 2)
    path.chmod(0)
    assert "denied" in fails("quantize", path, tmp_path / "out.npy", "-k", 2)


@pytest.mark.parametrize(
    ("dtype", "out"),
    [
        ("float32", "out.png"),
        ("float32", "out.jpg"),
        ("int16", "out.png"),
        ("uint32", "out.png"),
        ("bool", "out.png"),
        ("uint16", "out.jpg"),
        ("uint16", "out.bmp"),
    ],
)
def test_output_format_that_cannot_hold_the_image(fails, image_file, tmp_path, dtype, out):
    err = fails("quantize", image_file(dtype=dtype), tmp_path / out, "-k", 1)
    assert f"cannot write {dtype}" in err


@pytest.mark.parametrize("command_name", ["quantize", "apply"])
def test_labels_are_not_written_as_jpeg(fails, image_file, tmp_path, command_name):
    path = image_file()
    levelsnap.Codebook([1, 2]).save(tmp_path / "levels.json")
    files = path, tmp_path / "out.npy", "--labels", tmp_path / "labels.jpg"
    if command_name == "quantize":
        assert "lossy" in fails("quantize", *files, "-k", 2)
    else:
        assert "lossy" in fails("apply", tmp_path / "levels.json", *files)


def test_stack_into_png(fails, tmp_path):
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4), np.uint8))
    assert "dimensions" in fails("quantize", tmp_path / "stack.npy", tmp_path / "o.png", "-k", 1)


def test_nan_has_no_label(fails, image_file, tmp_path):
    path, out, labels = image_file(nan=True), tmp_path / "out.npy", tmp_path / "labels.npy"
    assert "NaN" in fails("quantize", path, out, "-k", 2, "--labels", labels)
    levelsnap.Codebook([1, 2]).save(tmp_path / "levels.json")
    assert "NaN" in fails("apply", tmp_path / "levels.json", path, out, "--labels", labels)


def test_infinite_values(fails, tmp_path):
    np.save(tmp_path / "inf.npy", np.array([0, 1, np.inf]))
    assert "inf" in fails("quantize", tmp_path / "inf.npy", tmp_path / "out.npy", "-k", 2)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "{}", '{"centers": [2, 1]}', "\xff"])
def test_bad_codebook(fails, image_file, tmp_path, content):
    levels = tmp_path / "levels.json"
    levels.write_text(content, encoding="latin-1")
    assert "levels.json" in fails("apply", levels, image_file(), tmp_path / "out.npy")
    assert "levels.json" in fails("info", levels)


def test_missing_codebook(fails, image_file, tmp_path):
    levels = tmp_path / "levels.json"
    assert "No such file" in fails("apply", levels, image_file(), tmp_path / "out.npy")


def test_outputs_of_the_same_name(fails, image_file, tmp_path):
    out = tmp_path / "out.npy"
    err = fails("quantize", image_file(), out, "-k", 2, "--labels", tmp_path / "." / "out.npy")
    assert "same file" in err


def test_codebook_never_replaces_an_image(fails, image_file, tmp_path):
    path = image_file()
    assert "JSON" in fails("fit", path, "-k", 2, "-o", path)
    assert "JSON" in fails("quantize", path, tmp_path / "out.npy", "-k", 2, "--codebook", path)


@needs_posix
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((f"out{suffix}", 300) for suffix in SUFFIXES),
        *((f"out{suffix}", 1300) for suffix in [*SUFFIXES[:2], *([".bmp"] if cv2 else [])]),
    ],
)
def test_full_disk(file_size_limit, fails, image_file, tmp_path, name, size):
    path, out, levels = image_file(dtype="uint8"), tmp_path / name, tmp_path / "levels.json"
    out.write_bytes(b"old")
    with file_size_limit(size):
        err = fails("quantize", path, out, "-k", 8, "--codebook", levels)
    assert str(out) in err


@needs_posix
@pytest.mark.parametrize("name", ["out.npy", "out.tif"])
def test_full_disk_at_a_large_file(file_size_limit, fails, tmp_path, name):
    np.save(tmp_path / "image.npy", np.zeros((1000, 1000), np.float32))
    with file_size_limit(3_000_000):
        fails("quantize", tmp_path / "image.npy", tmp_path / name, "-k", 1)


@needs_posix
def test_full_disk_for_the_codebook(file_size_limit, fails, image_file, tmp_path):
    path = image_file()
    with file_size_limit(300):
        err = fails("fit", path, "-k", 100, "-o", tmp_path / "levels.json")
    assert "levels.json: " in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 9 TiB"), "not enough memory: Unable to allocate 9 TiB"),
        *([(cv2.error("assertion\nfailed"), "error: assertion failed")] if cv2 else []),
    ],
)
def test_out_of_memory_and_unexpected_errors(
    fails, image_file, tmp_path, monkeypatch, error, message
):
    def fit(*_, **__):
        raise error

    monkeypatch.setattr(_commands, "fit_levels", fit)
    err = fails("quantize", image_file(), tmp_path / "out.npy", "-k", 2)
    assert err == f"Error: {message}\n"


def test_interrupt(command, image_file, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    path = image_file()
    before = files_in(tmp_path)
    monkeypatch.setattr(NpyWriter, "write", interrupted)
    code, _, err = command("quantize", path, tmp_path / "out.npy", "-k", 2)
    assert code == 1
    assert err.strip() == "Aborted!"
    assert files_in(tmp_path) == before


def test_warnings_of_the_library_are_one_line(command, image_file, tmp_path, monkeypatch):
    def fit(*_, **__):
        warnings.warn("two lines\nof warning", RuntimeWarning, stacklevel=2)
        return levelsnap.Codebook([1, 2])

    monkeypatch.setattr(_commands, "fit_levels", fit)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = command("quantize", image_file(), tmp_path / "out.npy", "-k", 2)
    assert (code, err) == (0, "Warning: two lines of warning\n")


@pytest.mark.parametrize(
    ("package", "suffix", "extra"), [("cv2", ".png", "opencv"), ("tifffile", ".tif", "cli")]
)
def test_missing_package(fails, image_file, tmp_path, monkeypatch, package, suffix, extra):
    path = image_file(dtype="uint8")
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delattr(_commands, "fit_levels")  # it is known before the fit
    err = fails("quantize", path, tmp_path / f"out{suffix}", "-k", 2)
    assert f"pip install 'levelsnap[{extra}]'" in err


def test_npy_needs_no_packages(succeeds, image_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    succeeds("quantize", image_file(), tmp_path / "out.npy", "-k", 2)


def test_missing_click(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "click", None)
    assert "pip install 'levelsnap[cli]'" in fails("--help")


@needs_cv2
def test_traceback_never_shows_in_a_process(tmp_path):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes((EXAMPLES / "grace_hopper.png").read_bytes()[:9_000])
    run = run_module("quantize", damaged, tmp_path / "out.png", "-k", "3")
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(r"Error: cannot read .*damaged.png as PNG: .*\n", run.stderr)
    assert list(tmp_path.iterdir()) == [damaged]
