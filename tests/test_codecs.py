"""Codecs: what is read is what `snap` gives, and fill values and NaN stay."""

import json
import subprocess
import sys

import numpy as np
import pytest

import levelsnap as ls

pytest.importorskip("numcodecs")

import numcodecs

from levelsnap.codecs import Levels, StoredLabels

LEVELS = ls.Codebook([0, 10, 20.5])
DTYPES = ["uint8", "int16", ">i4", "uint64", "float16", "float32", ">f8"]


def picture(dtype, shape=(30, 17)):
    image = np.random.default_rng(0).uniform(0, 30, shape)
    return image.astype(dtype)


def open_zarr(filters, store=None, shape=(30, 17), **options):
    zarr = pytest.importorskip("zarr", minversion="3.1")
    store = {} if store is None else store
    return zarr.create_array(store, shape=shape, filters=filters, **options)


def codec(*arguments, **options):
    pytest.importorskip("zarr", minversion="3.1")
    from levelsnap.codecs import ZarrLevels

    return ZarrLevels(*arguments, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numcodecs_round_trip(dtype):
    image = picture(dtype)
    levels = Levels(LEVELS, dtype)
    labels = levels.encode(image)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LEVELS.labels(image))
    expected = LEVELS.snap(image)
    for stored in labels, labels.tobytes():
        found = np.asarray(levels.decode(stored)).reshape(image.shape)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)
    out = np.empty(image.shape, dtype)
    assert levels.decode(labels, out=out) is out
    np.testing.assert_array_equal(out, expected)
    out = bytearray(image.nbytes)
    levels.decode(labels.tobytes(), out=out)
    assert bytes(out) == expected.tobytes()
    np.testing.assert_array_equal(levels.encode(image.tobytes()), labels.ravel())
    with pytest.raises(ValueError, match="label 200; 3 are known"):
        levels.decode(np.array([0, 200], np.uint8))


@pytest.mark.parametrize(
    ("dtype", "fill_value"),
    [("f4", None), ("f4", 10), ("f4", -1.5), ("f8", np.nan), ("f2", -np.inf), ("i8", 2**62 + 1)],
)
@pytest.mark.parametrize("nan", ["raise", "keep"])
def test_config(dtype, fill_value, nan):
    levels = Levels([1 / 3, 10], dtype, fill_value, nan)
    config = json.loads(json.dumps(levels.get_config(), allow_nan=False))
    again = numcodecs.get_codec(config)
    assert type(again) is Levels
    assert again.get_config() == levels.get_config()
    np.testing.assert_array_equal(again.stored.values, levels.stored.values)
    assert eval(repr(again), {"Levels": Levels}).get_config() == levels.get_config()


def test_labels_of_fill_value_and_nan():
    for fill_value, nan, extra in [
        (None, "raise", []),
        (10, "raise", []),
        (-1, "raise", [-1]),
        (np.nan, "raise", [np.nan]),
        (np.nan, "keep", [np.nan]),
        (10, "keep", [np.nan]),
        (-1, "keep", [-1, np.nan]),
    ]:
        stored = StoredLabels(LEVELS, "f4", fill_value, nan)
        np.testing.assert_array_equal(stored.values, [0, 10, 20.5, *extra])
        np.testing.assert_array_equal(stored.encode(stored.values), range(len(stored.values)))
        if not any(np.isnan(extra)):
            with pytest.raises(ValueError, match="1 NaN"):
                stored.encode(np.array([1, np.nan]))
    beyond = StoredLabels(ls.Codebook([250, 300]), "u1", 255)  # which is nearer to 250
    assert beyond.decode(beyond.encode(np.array([255, 254], "u1"))).tolist() == [255, 250]
    assert StoredLabels(ls.Codebook(range(256)), "f4", 7).label_dtype == np.uint8
    assert StoredLabels(ls.Codebook(range(256)), "f4", -7).label_dtype == np.uint16


def test_refused():
    with pytest.raises(ValueError, match="a number that int16 holds, given 1000000000"):
        Levels([0, 1], "i2", 10**9)
    with pytest.raises(ValueError, match='nan must be "raise" or "keep", given 3'):
        Levels(LEVELS, "f4", nan=3)
    with pytest.raises(TypeError, match="complex64"):
        Levels(LEVELS, "c8")
    with pytest.raises(TypeError, match="complex64"):
        open_zarr([codec(LEVELS)], dtype="c8")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chunks", [(30, 17), (7, 5), (1, 17), (40, 40)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_zarr_round_trip(zarr_format, dtype, chunks, order):
    image = picture(dtype)
    filters = [codec(LEVELS) if zarr_format == 3 else Levels(LEVELS, dtype, 0)]
    options = {"order": order} if zarr_format == 2 else {"config": {"order": order}}
    array = open_zarr(
        filters, dtype=dtype, chunks=chunks, zarr_format=zarr_format, fill_value=0, **options
    )
    array[...] = image
    np.testing.assert_array_equal(array[...], LEVELS.snap(image))
    array[3:9, 2:4] = 29
    image[3:9, 2:4] = 29
    np.testing.assert_array_equal(array[...], LEVELS.snap(image))
    assert array.dtype == dtype


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("fill_value", [-9999.0, 10.0, np.nan, np.inf])
@pytest.mark.parametrize("shards", [None, (20, 20)])
def test_fill_value_stays(zarr_format, fill_value, shards):
    if zarr_format == 2 and shards:
        return
    filters = [codec(LEVELS) if zarr_format == 3 else Levels(LEVELS, "f4", fill_value)]
    store = {}
    array = open_zarr(
        filters, store, dtype="f4", chunks=(10, 10), shards=shards, zarr_format=zarr_format,
        fill_value=fill_value,
    )  # fmt: skip
    array[2:4, 5:12] = 19
    expected = np.full((30, 17), fill_value, "f4")
    expected[2:4, 5:12] = 20.5
    np.testing.assert_array_equal(array[...], expected)
    import zarr

    np.testing.assert_array_equal(zarr.open_array(store, mode="r")[...], expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nan(zarr_format):
    options = {"dtype": "f4", "chunks": (10, 10), "zarr_format": zarr_format, "fill_value": -1}
    image = picture("f4")
    image[4, 5] = np.nan
    for nan in "raise", "keep":
        filters = [codec(LEVELS, nan=nan) if zarr_format == 3 else Levels(LEVELS, "f4", -1, nan)]
        array = open_zarr(filters, **options)
        if nan == "raise":
            with pytest.raises(ValueError, match="1 NaN"):
                array[...] = image
        else:
            array[...] = image
            np.testing.assert_array_equal(array[...], LEVELS.snap(image))


@pytest.mark.parametrize("k", [256, 257, 65537])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_many_levels(k, zarr_format):
    image = np.arange(90_000, dtype="f4").reshape(300, 300)
    filters = [codec(range(k)) if zarr_format == 3 else Levels(range(k), "f4")]
    array = open_zarr(
        filters, shape=image.shape, dtype="f4", chunks=(200, 300), zarr_format=zarr_format
    )
    array[...] = image
    np.testing.assert_array_equal(array[...], np.minimum(image, k - 1))


def test_store_holds_labels():
    store = {}
    array = open_zarr(
        [codec(LEVELS)], store, dtype="f8", chunks=(30, 17), compressors=None, fill_value=0
    )
    image = picture("f8")
    array[...] = image
    assert store["c/0/0"].to_bytes() == LEVELS.labels(image).tobytes()
    metadata = json.loads(store["zarr.json"].to_bytes())
    assert metadata["codecs"][0] == {
        "name": "levelsnap.levels", "configuration": {"centers": [0, 10, 20.5], "nan": "raise"},
    }  # fmt: skip
    assert codec(LEVELS) == codec([0, 20.5, 10])


def test_zarr_is_imported_for_its_codec_only():
    code = "import sys, levelsnap.codecs as c; c.Levels; assert 'zarr' not in sys.modules"
    path = f"import sys; sys.path[:] = {sys.path!r}; "
    run = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with pytest.raises(AttributeError, match="no attribute 'Labels'"):
        ls.codecs.Labels  # noqa: B018
