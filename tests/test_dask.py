"""dask arrays: the same answers as NumPy, lazily, for any chunks, and when a worker dies."""

import importlib
import os
import re
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DTYPES, picture, with_nan

import levelsnap as ls
from levelsnap import summary

da = pytest.importorskip("dask.array")
dask = pytest.importorskip("dask")

LEVELS = ls.Codebook([0, 10, 20.5])


def heights(shape=(13, 17), dtype="float32"):
    return (np.arange(np.prod(shape)).reshape(shape) * 0.25 % 29).astype(dtype)


def never_computed(dtype, shape=(4, 4), meta=None):
    def compute(block):
        raise AssertionError("computed")

    empty = np.empty((0,) * len(shape), dtype) if meta is None else meta
    return da.zeros(shape, chunks=2).map_blocks(compute, dtype=dtype, meta=empty)


@st.composite
def chunked(draw, arrays):
    """Arrays of one shape, each in chunks of its own, some of them empty."""
    found = []
    for array in arrays:
        chunks = []
        for length in array.shape:
            cuts = draw(st.lists(st.integers(0, length), max_size=3))
            chunks.append(tuple(np.diff([0, *sorted(cuts), length]).tolist()))
        found.append(da.from_array(array, chunks=tuple(chunks) if array.ndim else ()))
    return found


def same(lazy, expected):
    assert isinstance(lazy, da.Array)
    if expected.ndim:  # a scalar's byte order is native
        assert lazy.dtype == expected.dtype
    assert lazy.shape == expected.shape
    found = lazy.compute(scheduler="sync")
    assert type(found) is type(lazy._meta) or not expected.ndim
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=20)
@given(st.data())
def test_any_chunks(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(st.sampled_from([(), (0,), (7,), (5, 6), (3, 0), (2, 3, 4)]))
    image = np.asarray(picture(dtype, shape, LEVELS.centers))
    if dtype.kind == "f":
        image = np.asarray(np.where(np.isinf(image), dtype.type(3), image), dtype)
        if shape and image.size:
            image.flat[-1] = np.nan
    asked = np.asarray(np.random.default_rng(1).random(shape) < 0.7)
    lazy, where = data.draw(chunked([image, asked]))
    with dask.config.set(scheduler="sync"):
        ways = ({}, {}), ({"where": where}, {"where": asked}), ({"where": asked}, {"where": asked})
        options, plain = data.draw(st.sampled_from(ways))
        same(LEVELS.labels(lazy, nan=7, **options), LEVELS.labels(image, nan=7, **plain))
        same(ls.snap(lazy, LEVELS, **options), LEVELS.snap(image, **plain))
        pair = LEVELS.labels_and_snap(lazy, nan=2, dtype=("i2", "f8"), **options)
        expected = LEVELS.labels_and_snap(image, nan=2, dtype=("i2", "f8"), **plain)
        for found, answer in zip(pair, expected, strict=True):
            same(found, answer)
        counted = ls.histogram(image, **plain)
        assert ls.histogram(lazy, **options) == counted
        values = ls.distinct(lazy, **options)
        np.testing.assert_array_equal(values, counted.values)
        assert values.dtype == counted.values.dtype
        k = min(3, len(values))
        for weights in ("distinct", "counts") if k else ():
            fitted = ls.fit(lazy, k, weights=weights, **options)
            assert fitted == ls.fit(image, k, weights=weights, **plain)
            assert fitted.gap == 0
        labels = LEVELS.labels(image, nan=0)
        (lazy_labels,) = data.draw(chunked([np.asarray(labels)]))
        same(LEVELS.decode(lazy_labels, "f4"), LEVELS.decode(labels, "f4"))


def test_nothing_is_computed_before_it_is_asked_for():
    for image in (never_computed("f4"), never_computed(">f2"), never_computed("u2")):
        where = never_computed("?")
        LEVELS.labels(image, where=where, threads=2)
        LEVELS.snap(image, where=np.ones(4, bool), dtype="f8")
        labels, _ = LEVELS.labels_and_snap(image)
        LEVELS.decode(labels)
        with pytest.raises(AssertionError, match="computed"):
            LEVELS.labels(image).compute()


def test_wrong_options_are_refused_at_once():
    image = never_computed("f4")
    with pytest.raises(ValueError, match="nan must be"):
        LEVELS.labels(image, nan="keep")
    with pytest.raises(ValueError, match="label nan=300 does not fit uint8"):
        LEVELS.labels_and_snap(image, nan=300)
    with pytest.raises(ValueError, match="cannot hold the label 255"):
        ls.labels(image, range(256), dtype="int8")
    with pytest.raises(TypeError, match="need an integer dtype"):
        LEVELS.labels(image, dtype="f4")
    with pytest.raises(ValueError, match="threads must be at least 1"):
        LEVELS.snap(image, threads=0)
    for out in (np.empty((4, 4), np.uint8), image):
        with pytest.raises(TypeError, match="out cannot be given"):
            LEVELS.labels(image, out=out)
    with pytest.raises(TypeError, match="out cannot be given"):
        LEVELS.labels_and_snap(image, out=(None, image))
    with pytest.raises(TypeError, match="where must be boolean"):
        LEVELS.snap(image, where=never_computed("u1"))
    with pytest.raises(ValueError, match=re.escape("where of shape (3,) does not broadcast")):
        LEVELS.snap(image, where=np.ones(3, bool))
    with pytest.raises(ValueError, match="does not broadcast"):
        LEVELS.snap(image, where=never_computed("?", (2, 4, 4)))
    for function in (LEVELS.labels, ls.histogram, ls.distinct, lambda x: ls.fit(x, 2)):
        with pytest.raises(TypeError, match="image has dtype complex64"):
            function(never_computed("c8"))
    with pytest.raises(TypeError, match="labels have dtype float32"):
        LEVELS.decode(image)
    with pytest.raises(ValueError, match="threads must be at least 1"):
        ls.histogram(image, threads=0)


def test_meta():
    image = never_computed(">i2")
    labels, snapped = LEVELS.labels_and_snap(image)
    assert labels._meta.dtype == np.uint8
    assert snapped._meta.dtype == np.dtype(">i2")
    masked = never_computed("f4", meta=np.ma.empty((0, 0), "f4"))
    for lazy in (*LEVELS.labels_and_snap(masked), LEVELS.decode(LEVELS.labels(masked))):
        assert isinstance(lazy._meta, np.ma.MaskedArray)
        assert lazy._meta.ndim == 2


def test_nan_is_an_error_that_says_where():
    image = da.from_array(with_nan(heights(), (12, 3)), chunks=(6, 17))
    with pytest.raises(ValueError, match=re.escape("1 NaN, the first at index (0, 3)")) as error:
        LEVELS.labels(image).compute()
    assert error.value.__notes__ == ["in the dask array's block (2, 0)"]
    with pytest.raises(ValueError, match="1 NaN in the image"):
        ls.fit(image, 3, method="opencv")
    infinite = da.where(da.isnan(image), np.inf, image)
    for weights in ("distinct", "counts"):
        for approximate in (False, True):
            with pytest.raises(ValueError, match="1 infinite element"):
                ls.fit(infinite, 3, weights=weights, approximate=approximate)
    with pytest.raises(ValueError, match="nothing to fit"):
        ls.fit(image, 1, where=False, approximate=True)


def test_masked():
    image = np.ma.masked_greater(heights(), 25)
    lazy = da.from_array(image, chunks=(5, 9))
    for found, expected in zip(
        LEVELS.labels_and_snap(lazy), LEVELS.labels_and_snap(image), strict=True
    ):
        computed = found.compute()
        np.testing.assert_array_equal(np.ma.getmaskarray(computed), np.ma.getmaskarray(expected))
        np.testing.assert_array_equal(computed.filled(0), expected.filled(0))
    assert ls.histogram(lazy) == ls.histogram(image)
    assert ls.fit(lazy, 4) == ls.fit(image, 4)


def test_blocks_of_unknown_sizes():
    image = heights()
    lazy = da.from_array(image, chunks=6)
    some, plain = lazy[lazy > 5], image[image > 5]
    assert sorted(LEVELS.snap(some).compute()) == sorted(LEVELS.snap(plain))
    assert ls.histogram(some) == ls.histogram(plain)
    assert ls.histogram(some, where=some > 20) == ls.histogram(plain[plain > 20])
    with pytest.raises(ValueError, match="unknown sizes"):
        LEVELS.labels(some, where=plain > 20)


def test_both_results_read_a_block_once():
    read = []

    def count(block):
        read.append(block.shape)
        return block

    image = da.zeros((4, 4), chunks=2).map_blocks(count, meta=np.empty((0, 0)))
    dask.compute(*LEVELS.labels_and_snap(image), scheduler="sync")
    assert len(read) == 4


def test_a_block_gets_one_thread(monkeypatch):
    teams = []
    original = ls.nearest.team
    monkeypatch.setattr(
        "levelsnap.nearest.team", lambda threads, *rest: teams.append(threads) or original(1, *rest)
    )
    image = da.from_array(heights(), chunks=9)
    ls.labels(image, [0, 1]).compute(scheduler="sync")
    assert set(teams) == {None, 1}  # None: of the empty sample


def test_more_distinct_values_than_allowed(monkeypatch):
    image = np.random.default_rng(0).random((20, 30))
    lazy = da.from_array(image, chunks=(7, 11))
    for function in (ls.histogram, ls.distinct, lambda x, **o: ls.fit(x, 3, **o)):
        with pytest.raises(ValueError, match=r"max_distinct = 599 .*approximate=True"):
            function(lazy, max_distinct=599)
        function(lazy, max_distinct=600)
    with pytest.raises(ValueError, match="max_distinct = 599"):
        ls.histogram(image, max_distinct=599)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_distinct must be at least 1"):
            ls.distinct(lazy, max_distinct=wrong)
    module = importlib.import_module("levelsnap.histogram")  # not the function of its name
    monkeypatch.setattr(module, "MAX_DISTINCT", 500)
    for function in (ls.histogram, ls.distinct, ls.choose_k, LEVELS.inertia):
        with pytest.raises(ValueError, match="max_distinct = 500"):
            function(lazy)
    assert len(ls.distinct(image)) == 600


def test_choose_k_and_inertia():
    image = heights()
    lazy = da.from_array(image, chunks=8)
    assert ls.choose_k(lazy, 6).k == ls.choose_k(image, 6).k
    for weights in ("distinct", "counts"):
        assert LEVELS.inertia(lazy, weights) == LEVELS.inertia(image, weights)


@settings(max_examples=20)
@given(st.data())
def test_an_approximate_fit_is_within_its_gap(data):
    """Whatever the cells, and the same for any chunks."""
    dtype = data.draw(st.sampled_from(["f2", ">f4", "f8", "i4", "u8", "i8"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    image = rng.normal(size=400) * data.draw(st.sampled_from([1, 1e3, 1e30, 1e-300, 1e150]))
    if np.dtype(dtype).kind in "iu":
        image = rng.integers(2**62, 2**62 + 10**6, 400) if dtype[1] == "8" else image % 1e6
    with np.errstate(all="ignore"):
        image = np.nan_to_num(image.astype(dtype), posinf=1000, neginf=-1000)
    image[:3] = 0, 1, 1
    chunkings = data.draw(chunked([image, image]))
    weights = data.draw(st.sampled_from(["distinct", "counts"]))
    n = len(ls.distinct(image))
    k, limit = data.draw(st.integers(1, 5)), data.draw(st.integers(30, 150))
    if n <= max(limit, 10):
        return
    run, cells = data.draw(st.sampled_from([(1 << 20, 1 << 16), (60, 30), (60, 60)]))
    with pytest.MonkeyPatch.context() as patch, dask.config.set(scheduler="sync"):
        patch.setattr(summary, "RUN", run)
        patch.setattr(summary, "CELLS_OF_RUN", cells)
        patch.setattr(summary, "CELLS", data.draw(st.sampled_from([1 << 21, 100])))
        found = [
            ls.fit(lazy, k, weights=weights, approximate=True, max_distinct=limit)
            for lazy in chunkings
        ]
    assert found[0] == found[1]
    assert found[0].gap == found[1].gap
    counted = ls.histogram(image)
    if found[0].gap < np.inf:
        least = ls.fit(image, k, weights=weights).inertia(counted, weights)
        inertia = found[0].inertia(counted, weights)
        assert inertia <= (1 + found[0].gap) * least * (1 + 1e-12)


def test_an_approximate_fit_has_a_small_gap(monkeypatch):
    image = np.random.default_rng(0).normal(size=(100, 300)).astype("f4")
    image[0, 0] = -3e38
    lazy = da.from_array(image, chunks=(30, 70))
    monkeypatch.setattr(summary, "RUN", 5000)
    monkeypatch.setattr(summary, "CELLS_OF_RUN", 1000)
    found = ls.fit(lazy, 4, where=lazy > -100, approximate=True, max_distinct=7000)
    assert 0 < found.gap < 0.01
    assert found.k == 4
    exact = ls.fit(lazy, 4, approximate=True)
    assert exact.gap == 0
    assert exact == ls.fit(image, 4)
    with pytest.raises(ValueError, match="k = 50000 is more than"):
        ls.fit(lazy, 50000, approximate=True, max_distinct=7000)


def test_xarray(monkeypatch):
    xr = pytest.importorskip("xarray")
    image = heights()
    dataset = xr.Dataset(
        {"a": (("y", "x"), image), "b": (("y", "x"), image.astype("i2") * 7), "c": ("x", image[0])}
    )
    lazy = dataset.chunk({"x": 5})
    lazy["c"] = dataset.c  # in memory
    assert ls.histogram(lazy) == ls.histogram(dataset)
    for weights in ("distinct", "counts"):
        assert ls.fit(lazy, 4, weights=weights) == ls.fit(dataset, 4, weights=weights)
        found = ls.fit(lazy, 4, weights=weights, approximate=True, max_distinct=50)
        least = ls.fit(dataset, 4, weights=weights)
        counted = ls.histogram(dataset)
        allowed = (1 + found.gap + 1e-12) * least.inertia(counted, weights)
        assert found.inertia(counted, weights) <= allowed
    with pytest.raises(ValueError, match=re.escape("max_distinct = 50 distinct")):
        ls.distinct(lazy, max_distinct=50)
    labels = LEVELS.labels(lazy.a)
    assert labels.chunks == lazy.a.chunks


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}),
        distributed.LocalCluster(dashboard_address=":0", **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def worker_killed(client, started):
    """Kill the process of a worker as soon as a file says that it computes."""

    def kill():
        while not over.wait(0.01):
            if started.exists():
                os.kill(victim, getattr(signal, "SIGKILL", signal.SIGTERM))
                return

    victim = next(iter(client.run(os.getpid).values()))
    over = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        killed = not killer.is_alive()
        over.set()
        killer.join()
    assert killed
    assert victim not in client.run(os.getpid).values()


def slow_blocks(image, started):
    """A lazy array whose blocks take a while, and which says when the first has been computed."""

    def block_of(block):
        import time

        time.sleep(0.03)
        started.touch()
        return block

    return da.from_array(image, chunks=(10, 20)).map_blocks(block_of, dtype=image.dtype)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_worker_dies(cluster, tmp_path):
    image = with_nan(heights((80, 100)), (3, 4))
    for name, function, expected in (
        ("fit", lambda x: ls.fit(x, 5, weights="counts"), ls.fit(image, 5, weights="counts")),
        (
            "labels",
            lambda x: LEVELS.labels(x, nan=9).compute().tolist(),
            LEVELS.labels(image, nan=9).tolist(),
        ),
    ):
        started = tmp_path / name
        with worker_killed(cluster, started):
            assert function(slow_blocks(image, started)) == expected


def test_workers_get_a_codebook_once(cluster):
    """And its labels are the same, however many blocks there are."""
    image = heights((200, 10))
    codebook = ls.Codebook.linear(0, 29, 1000)
    lazy = codebook.labels(da.from_array(image, chunks=(5, 10)))
    np.testing.assert_array_equal(lazy.compute(), codebook.labels(image))
    name = [key for key in lazy.dask if "Codebook" in str(key)]
    assert len(name) == 1
