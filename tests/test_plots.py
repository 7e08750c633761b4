"""Pictures: what is drawn is where the numbers say, and nothing else is changed."""

import re
import subprocess
import sys

import numpy as np
import pytest
from processes import environment
from strategies import DTYPES

import levelsnap as ls
from levelsnap import plots

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.collections import LineCollection  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _leaves_matplotlib_alone():
    """No figure of pyplot is left but those that a test closes, and no setting is changed."""
    import matplotlib.pyplot as plt

    before = dict(matplotlib.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def image():
    return np.random.default_rng(5).normal(100, 20, (30, 40)).astype("float32")


def draw(figure):
    """Render it, where matplotlib finds out what it cannot draw."""
    figure.canvas.draw()


def positions(ax):
    """Of each set of vertical lines; all of them over the whole height."""
    sets = [c for c in ax.collections if isinstance(c, LineCollection)]
    for lines in sets:
        for (x0, y0), (x1, y1) in lines.get_segments():
            assert (x0, y0, y1) == (x1, 0, 1)
        assert lines.get_transform() == ax.get_xaxis_transform()
    return [[segment[0][0] for segment in lines.get_segments()] for lines in sets]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def steps(ax):
    return ax.patches[0].get_data()


def test_lines_are_at_levels_and_thresholds(ax, image):
    codebook = ls.fit(image, 8)
    assert codebook.plot(image, ax) is ax
    levels, thresholds = positions(ax)
    assert levels == codebook.centers.tolist()
    assert thresholds == codebook.thresholds("float64").tolist()
    assert legend(ax) == ["8 levels", "7 thresholds"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("value", "elements", "linear")
    low, high = ax.get_xlim()
    assert low <= image.min() <= image.max() <= high
    draw(ax.figure)


def test_bins_of_floats_are_those_of_numpy(ax, image):
    codebook = ls.fit(image, 3)
    codebook.plot(image, ax, log=True)
    counts, edges = np.histogram(image, plots.BINS)
    np.testing.assert_array_equal(steps(ax).values, counts)
    np.testing.assert_allclose(steps(ax).edges, edges)
    assert ax.get_yscale() == "log"
    assert 0 < ax.get_ylim()[0] < 1  # so that bins of one element are seen
    draw(ax.figure)


@pytest.mark.parametrize(("top", "width"), [(1, 1), (200, 1), (255, 1), (256, 2), (65535, 256)])
def test_bins_of_integers_hold_as_many_integers_each(ax, top, width):
    image = np.random.default_rng(6).integers(0, top, 5000, "uint16", endpoint=True)
    image[:2] = 0, top
    ls.Codebook([0, top]).plot(image, ax)
    edges = steps(ax).edges
    assert edges[0] == -0.5
    assert (np.diff(edges) == width).all()
    assert edges[-2] <= top < edges[-1]
    np.testing.assert_array_equal(steps(ax).values, np.histogram(image, edges)[0])


def test_many_levels_are_drawn_in_part(ax):
    codebook = ls.Codebook(range(65536))
    codebook.plot(np.linspace(0, 65535, 1000), ax)
    (levels,) = positions(ax)
    assert levels == codebook.centers[::2048].tolist()
    assert legend(ax) == ["1 in 2,048 of 65,536 levels"]
    ax.clear()
    ls.Codebook(range(17)).plot([0.0, 1.0], ax)
    assert list(map(len, positions(ax))) == [17]


def test_axes_reach_levels_beyond_the_data_and_keep_what_they_show(ax):
    ax.plot([-50, 60], [1, 2])
    ls.Codebook([-10, 300]).plot(np.arange(100), ax)
    low, high = ax.get_xlim()
    assert low <= -50
    assert high >= 300


def test_histogram_in(ax):
    counted = ls.Histogram(np.array([1.0, 2.0, 4.0]), [0.25, 0.5, 0.0])
    ls.Codebook([1]).plot(counted, ax, log=True)
    assert ax.get_ylabel() == "weight"
    assert steps(ax).values.sum() == 0.75
    assert ax.get_ylim()[0] < 0.25
    assert legend(ax) == ["1 level"]


def test_what_is_not_finite_or_skipped_is_not_counted(ax, image):
    image[0, :4] = np.nan, np.inf, -np.inf, np.inf
    image[1] = 1e6
    where = image < 1e5
    where[0, :4] = True
    ls.Codebook([100]).plot(image, ax, where=where)
    assert steps(ax).values.sum() == image.size - 4 - 40
    assert ax.get_xlabel() == "value (3 infinite not shown)"
    masked = np.ma.MaskedArray(image, ~where)
    np.testing.assert_array_equal(
        steps(ls.Codebook([100]).plot(masked, Figure().subplots())).values, steps(ax).values
    )


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", ">i8", "uint64"])
def test_large_images_are_counted_in_cells(monkeypatch, kind):
    monkeypatch.setattr(plots, "COUNTED", 1000)
    monkeypatch.setattr(plots, "SAMPLED", 5000)
    image = np.random.default_rng(7).normal(3000, 200, (200, 100)).astype(kind)
    where = np.random.default_rng(8).random(image.shape) < 0.7
    if image.dtype.kind == "f":
        image[0, :3] = np.inf, np.nan, -np.inf
        where[0, :3] = True
    counted = plots._counted(image, where, None)
    exact = ls.histogram(image, where=where)
    assert counted.counts.sum() == exact.counts.sum()
    if image.dtype.kind != "f":  # each integer has a cell
        np.testing.assert_array_equal(counted.values, exact.values)
        np.testing.assert_array_equal(counted.counts, exact.counts)
    else:
        np.testing.assert_array_equal(counted.values[[0, -1]], [-np.inf, np.inf])
        assert counted.values[1] == exact.values[1]
        repeated = [np.repeat(h.values, h.counts.astype(int))[1:-1] for h in (counted, exact)]
        width = (exact.values[-2] - exact.values[1]) / (plots.CELLS - 1)
        assert np.abs(repeated[0] - repeated[1]).max() <= 0.51 * width
    ax = ls.Codebook([2000, 3000]).plot(image, Figure().subplots(), kind="elbow", where=where)
    assert "sample" in legend(ax)[0]
    sample, asked = plots._sample(image, where)
    assert sample.size <= plots.SAMPLED
    assert asked.shape == sample.shape


def two_axes():
    return Figure().subplots(1, 2)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_images_are_drawn_before_and_after(dtype):
    image = np.random.default_rng(9).integers(0, 2, (7, 9)).astype(dtype) * 100
    if image.dtype.kind == "f":
        image[2, 3] = np.nan
    codebook = ls.Codebook([10, 60])
    given = two_axes()
    before, after = found = codebook.plot(image, given, kind="image")
    assert list(found) == list(given)
    for ax, expected in (before, image), (after, codebook.snap(image)):
        (shown,) = ax.images
        hidden = np.isnan(image)
        np.testing.assert_array_equal(np.ma.getmaskarray(shown.get_array()), hidden)
        np.testing.assert_array_equal(shown.get_array().data[~hidden], expected[~hidden])
        assert shown.get_extent() == [-0.5, 8.5, 6.5, -0.5]
        assert bool(ax.patch.get_hatch()) == hidden.any()
    assert before.images[0].get_clim() == after.images[0].get_clim()
    assert (before.get_title(), after.get_title()) == ("before", "after: 2 levels")
    draw(before.figure)


def test_large_images_are_thinned_out():
    image = np.broadcast_to(np.arange(5000, dtype="uint16"), (2100, 5000))
    codebook = ls.Codebook([1000, 4000])
    for ax, expected in zip(
        codebook.plot(image, two_axes(), kind="image"), (image, codebook.snap(image)), strict=True
    ):
        (shown,) = ax.images
        np.testing.assert_array_equal(shown.get_array(), expected[::3, ::5])
        assert shown.get_extent() == [-0.5, 4999.5, 2099.5, -0.5]


def test_skipped_pixels_are_hidden(image):
    where = image > 90
    for ax in ls.Codebook([100]).plot(image, two_axes(), kind="image", where=where):
        np.testing.assert_array_equal(ax.images[0].get_array().mask, ~where)


def test_other_shapes():
    codebook = ls.Codebook([3, 200])
    stack = np.arange(5 * 6 * 7).reshape(5, 6, 7)
    before, _ = codebook.plot(stack, two_axes(), kind="image")
    np.testing.assert_array_equal(before.images[0].get_array(), stack[2])
    assert before.get_title() == "before [2]"
    for other, shape in (7.5, (1, 1)), ([1, 2, 3], (1, 3)), (np.zeros((2, 1, 1)), (1, 1)):
        before, _ = codebook.plot(other, two_axes(), kind="image")
        assert before.images[0].get_array().shape == shape
        draw(before.figure)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32"])
@pytest.mark.parametrize("channels", [3, 4])
def test_color(dtype, channels):
    image = np.random.default_rng(1).integers(0, 256, (6, 5, channels)).astype(dtype)
    image[0, 0], image[0, 1] = 0, 255
    if dtype == "float32":
        image /= 255
        image[2, 2, 1] = np.nan
    codebook = ls.Codebook(np.array([0, 100, 255]) / (255 if dtype == "float32" else 1))
    axes = codebook.plot(image, two_axes(), kind="image")
    for ax, expected in zip(axes, (image, codebook.snap(image)), strict=True):
        colors = ax.images[0].get_array()
        assert colors.shape == (6, 5, 4)
        scaled = expected / (1 if dtype == "float32" else 255)
        hidden = np.isnan(image).any(-1)
        np.testing.assert_allclose(colors[~hidden][:, :channels], scaled[~hidden], rtol=1e-6)
        assert (colors[hidden] == 0).all()
    draw(axes[0].figure)


@pytest.mark.parametrize("weights", ["distinct", "counts"])
def test_elbow(ax, image, weights):
    image = image.round()
    codebook = ls.fit(image, 5, weights=weights)
    assert codebook.plot(image, ax, kind="elbow", weights=weights, k_max=9) is ax
    curve, point = ax.lines
    choice = ls.choose_k(ls.histogram(image), 9, weights=weights)
    np.testing.assert_array_equal(curve.get_xdata(), np.arange(1, 10))
    np.testing.assert_array_equal(curve.get_ydata(), choice.gvf)
    np.testing.assert_allclose(point.get_xydata(), [[5, choice.gvf[4]]])
    assert legend(ax) == ["the best levels", f"these 5 levels: {choice.gvf[4]:.4g}"]
    draw(ax.figure)


def test_elbow_reaches_the_codebook_s_k_and_leaves_infinities_out(ax, image):
    image[0, :2] = np.inf, np.nan
    ls.fit(image[1:], 40).plot(image, ax, kind="elbow")
    assert ax.lines[0].get_xdata()[-1] == 40
    flat = ls.Codebook([5]).plot(np.full((3, 3), 5), Figure().subplots(), kind="elbow")
    assert flat.lines[1].get_xydata().tolist() == [[1, 1]]
    draw(flat.figure)


def test_elbow_of_a_choice(ax, image):
    choice = ls.choose_k(image, 12)
    assert choice.plot(ax) is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), choice.gvf)
    assert ax.lines[1].get_xydata().tolist() == [[choice.k, choice.gvf[choice.k - 1]]]
    assert legend(ax)[1] == f"{choice.k}, chosen by bic"


def test_axes_are_made_by_pyplot(image):
    import matplotlib.pyplot as plt

    codebook = ls.fit(image, 3)
    for call, kind in (
        (codebook.plot, {}),
        (codebook.plot, {"kind": "image"}),
        (codebook.plot, {"kind": "elbow", "k_max": 3}),
        (lambda image: ls.choose_k(image, 3).plot(), {}),
    ):
        axes = np.ravel(call(image, **kind))
        assert len(axes) == (2 if kind.get("kind") == "image" else 1)
        assert all(isinstance(ax, Axes) and ax.figure is plt.gcf() for ax in axes)
        assert len(plt.get_fignums()) == 1
        draw(plt.gcf())
        plt.close(axes[0].figure)


@pytest.mark.parametrize(
    ("image", "options", "error", "message"),
    [
        ([1.0], {"kind": "pie"}, ValueError, '"histogram", "image", "elbow", given \'pie\''),
        ([1.0], {"log": 1}, TypeError, "log must be True or False"),
        ([1.0], {"kind": "image", "log": True}, TypeError, "log"),
        ([1.0], {"kind": "image", "cmap": "grau"}, ValueError, "grau"),
        ([1.0], {"kind": "elbow", "weights": "pixels"}, ValueError, "weights"),
        ([1.0], {"kind": "elbow", "k_max": 0}, ValueError, "k_max"),
        ([1.0], {"ax": 3}, TypeError, "matplotlib Axes or None, given int"),
        ([1.0], {"kind": "image", "ax": [3, 4]}, TypeError, "given int"),
        ([1.0], {"where": [1]}, TypeError, "where must be boolean"),
        ([1j], {}, TypeError, "complex"),
        ([1j], {"kind": "image"}, TypeError, "complex"),
        ([np.nan, np.inf], {}, ValueError, "no finite value"),
        (ls.Histogram([1], [0]), {"log": True}, ValueError, "no finite value"),
        (np.empty((3, 0)), {"kind": "image"}, ValueError, r"shape \(3, 0\)"),
        ([-1e308, 1e308], {}, ValueError, "cannot be drawn"),
        ([-1e308, 1e308], {"kind": "image"}, ValueError, "cannot be drawn"),
        ([], {"kind": "elbow"}, ValueError, "nothing to fit"),
        ([1], {"kind": "image", "log": True}, TypeError, "'image' has no option 'log'; accepted"),
        (ls.Histogram([1], [1]), {"kind": "image"}, TypeError, "no pixels"),
        (ls.Histogram([1], [1]), {"where": [True]}, ValueError, "where applies to an image"),
    ],
)
def test_errors_leave_no_figure(image, options, error, message):
    with pytest.raises(error, match=message):
        ls.Codebook([1, 2]).plot(image, **options)


def test_axes_of_another_number(ax):
    with pytest.raises(TypeError, match=r"two Axes, .* given 1"):
        ls.Codebook([1]).plot([1], ax, kind="image")
    with pytest.raises(TypeError, match="given ndarray"):
        ls.Codebook([1]).plot([1], two_axes())


@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [1e-320, 2e-320],
        [1e300],
        [2.0**60, 2.0**60 + 256],
        [-1e300, 1e300],
        [1 << 63, (1 << 63) + 3],
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_extreme_values_can_be_drawn(values, log):
    image = np.array(values)
    figure = Figure()
    first, second, third = figure.subplots(1, 3)
    codebook = ls.fit(image, 1)
    assert steps(codebook.plot(image, first, log=log)).values.sum() == len(values)
    codebook.plot(image, (second, third), kind="image")
    draw(figure)


def test_a_dark_style_is_followed(ax, image):
    with matplotlib.rc_context({"text.color": "white"}):
        ls.fit(image, 3).plot(image, ax)
    assert ax.collections[1].get_edgecolor().tolist() == [[1, 1, 1, 1]]


def test_xarray(image):
    xr = pytest.importorskip("xarray")
    array = xr.DataArray(image, dims=("y", "x"))
    where = xr.DataArray(image > 90, dims=("y", "x"))
    codebook = ls.fit(array, 4)
    first, _ = codebook.plot(array, two_axes(), kind="image", where=where)
    np.testing.assert_array_equal(first.images[0].get_array().mask, image <= 90)
    ax = codebook.plot(array, Figure().subplots(), where=where)
    assert steps(ax).values.sum() == np.count_nonzero(where)
    with pytest.raises(TypeError, match="Dataset holds 2"):
        codebook.plot(xr.Dataset({"a": array, "b": array}), two_axes(), kind="image")


def test_dask(image):
    da = pytest.importorskip("dask.array")
    array = da.from_array(image, chunks=50)
    codebook = ls.fit(image, 4)
    first, _ = codebook.plot(array, two_axes(), kind="image", where=image > 90)
    np.testing.assert_array_equal(first.images[0].get_array().mask, image <= 90)
    ax = codebook.plot(array, Figure().subplots())
    assert steps(ax).values.sum() == image.size


def test_given_axes_need_no_pyplot():
    code = (
        "import sys, matplotlib.figure, levelsnap as ls\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "figure = matplotlib.figure.Figure()\n"
        "ls.Codebook([1, 2]).plot([1, 2, 3], figure.subplots())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_missing_matplotlib(monkeypatch, image):
    codebook = ls.fit(image, 2)
    for name in "matplotlib", "matplotlib.axes":
        monkeypatch.setitem(sys.modules, name, None)
    for kind in plots.KINDS:
        with pytest.raises(ImportError, match=re.escape("pip install 'levelsnap[plot]'")):
            codebook.plot(image, kind=kind)


def test_overview(image):
    figure = plots.overview(ls.fit(image, 4), image, title="An image")
    draw(figure)
    assert [ax.get_yscale() for ax in figure.axes[2:4]] == ["linear", "log"]
    assert figure.get_suptitle() == "An image"


# The command


@pytest.fixture
def command(monkeypatch, capfd):
    pytest.importorskip("click")
    from levelsnap.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["levelsnap", "plot", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def image_file(tmp_path, image):
    image[0, 0] = np.nan
    np.save(tmp_path / "image.npy", image)
    return tmp_path / "image.npy"


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_command_writes_by_suffix(command, image_file, tmp_path, name, start):
    code, out, err = command(image_file, "-k", 3, "-o", tmp_path / name)
    assert (code, err) == (0, "")
    assert re.fullmatch(r"K = 3, levels .*, 1200 pixels, \d+\.\d\d s\n", out)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert set(tmp_path.iterdir()) == {image_file, tmp_path / name}


def test_command_draws_given_levels(command, image_file, tmp_path, monkeypatch):
    ls.Codebook([50, 150]).save(tmp_path / "levels.json")
    drawn = []
    monkeypatch.setattr(
        plots, "overview", lambda codebook, *_, **__: drawn.append(codebook) or Figure()
    )
    options = "--levels", tmp_path / "levels.json", "-o", tmp_path / "a.png", "-q"
    assert command(image_file, *options) == (0, "", "")
    assert drawn == [ls.Codebook([50, 150])]


def test_command_refuses(command, image_file, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    out = tmp_path / "a.png"
    for arguments, message in (
        (("-o", out), "either -k or --levels"),
        (("-k", 2, "--levels", out, "-o", out), "either -k or --levels"),
        (("-k", 2, "-o", tmp_path / "a.gif"), "accepted are .png, .svg, .pdf"),
        (("-k", 2, "-o", tmp_path / "none" / "a.png"), "folder does not exist"),
        (("-k", 0, "-o", out), "at least 1"),
        (("--levels", tmp_path / "none.json", "-o", out), "none.json: No such file"),
        (("-k", 2, "-o", out, "--threads", 0), "threads"),
    ):
        code, said, err = command(image_file, *arguments)
        assert (code, said) == (2, "")
        assert re.fullmatch(rf"Error: .*{re.escape(message)}.*\n", err), err
    code, _, err = command(out, "-k", 2, "-o", out)
    assert (code, err) == (2, f"Error: {out}: the picture would replace the image\n")
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    code, _, err = command(image_file, "-k", 2, "-o", out)
    assert code == 2
    assert "pip install 'levelsnap[plot]'" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_command_replaces_whole_files_only(command, image_file, tmp_path, monkeypatch):
    out = tmp_path / "a.png"
    out.write_bytes(b"old")

    def fail(figure, form, dpi, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots, "write_figure", fail)
    code, _, err = command(image_file, "-k", 2, "-o", out)
    assert (code, err) == (2, f"Error: {out}: No space left on device\n")
    assert out.read_bytes() == b"old"
    assert set(tmp_path.iterdir()) == {image_file, out}
