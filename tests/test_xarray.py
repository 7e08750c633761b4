"""DataArray and Dataset: their arrays' results, in their clothes."""

import copy

import numpy as np
import pytest

import levelsnap as ls

xr = pytest.importorskip("xarray")
pd = pytest.importorskip("pandas")

LEVELS = ls.Codebook([0, 10, 20.5])
ATTRS = {
    "long_name": "height", "units": "m", "standard_name": "altitude", "valid_range": [0, 30],
    "scale_factor": 0.1, "_FillValue": -1, "actual_range": [0.0, 29.0], "grid_mapping": "crs",
    "STATISTICS_MEAN": "12",
}  # fmt: skip
ENCODING = {
    "dtype": np.dtype("i2"), "scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -1,
    "missing_value": -1, "zlib": True, "complevel": 4, "chunksizes": (2, 3),
}  # fmt: skip


def height(dtype="float32"):
    data = (np.arange(24).reshape(4, 6) * 1.25).astype(dtype)
    array = xr.DataArray(
        data,
        dims=("y", "x"),
        coords={
            "y": [3.0, 2, 1, 0],
            "x": pd.MultiIndex.from_product([["a", "b"], [0, 1, 2]], names=["word", "number"]),
            "area": ("y", [1, 2, 3, 4]),
            "time": 7,
        },
        name="height",
        attrs=copy.copy(ATTRS),
    )
    array.encoding = dict(ENCODING)
    return array


def check_snapped(snapped, image):
    xr.testing.assert_identical(snapped.coords.to_dataset(), image.coords.to_dataset())
    assert snapped.dims == image.dims
    assert snapped.name == image.name
    assert snapped.attrs == ATTRS
    assert snapped.encoding == ENCODING
    assert snapped.dtype == image.dtype
    np.testing.assert_array_equal(snapped, LEVELS.snap(image.to_numpy()))


def check_labels(labels, image, dtype="uint8"):
    xr.testing.assert_identical(labels.coords.to_dataset(), image.coords.to_dataset())
    assert labels.dims == image.dims
    assert labels.name == image.name
    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, LEVELS.labels(image.to_numpy()))
    flags = labels.attrs.pop("flag_values")
    assert flags.dtype == dtype
    assert flags.tolist() == [0, 1, 2]
    assert labels.attrs == {
        "long_name": "height", "grid_mapping": "crs", "flag_meanings": "0 10 20.5"
    }  # fmt: skip
    assert labels.encoding == {"zlib": True, "complevel": 4, "chunksizes": (2, 3)}


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_data_array(dtype, lazy):
    image = original = height(dtype)
    if lazy:
        da = pytest.importorskip("dask.array")
        image = original.copy(data=da.from_array(original.to_numpy(), chunks=(3, 2)))
    before = original.copy(deep=True)
    results = [
        (LEVELS.labels(image), LEVELS.snap(image)),
        (ls.labels(image, [0, 20.5, 10]), ls.snap(image, LEVELS)),
        LEVELS.labels_and_snap(image),
    ]
    for labels, snapped in results:
        assert (labels.chunks is not None) == (snapped.chunks is not None) == lazy
        if lazy:
            assert labels.chunks == snapped.chunks == image.chunks
        check_labels(labels.compute(), original)
        check_snapped(snapped.compute(), original)
        np.testing.assert_array_equal(LEVELS.decode(labels), LEVELS.decode(labels.to_numpy()))
        assert "flag_values" not in LEVELS.decode(labels).attrs
        assert (LEVELS.decode(labels, "f4").chunks is not None) == lazy
    check_labels(LEVELS.labels(image, dtype="int32").compute(), original, "int32")
    xr.testing.assert_identical(original, before)
    assert original.encoding == ENCODING


def test_lazy_data_is_not_computed():
    da = pytest.importorskip("dask.array")

    def compute(block):
        raise AssertionError("computed")

    data = da.from_array(np.zeros((4, 4)), chunks=2)
    data = data.map_blocks(compute, dtype="f4", meta=np.empty((0, 0), "f4"))
    image = xr.DataArray(data, name="a")
    LEVELS.labels_and_snap(image)
    LEVELS.labels(xr.Dataset({"a": image}))
    with pytest.raises(ValueError, match="nan must be"):
        LEVELS.labels(image, nan="keep")
    with pytest.raises(ValueError, match="cannot hold the label 255"):
        ls.labels(image, range(256), dtype="int8")
    with pytest.raises(TypeError, match="computed lazily"):
        LEVELS.labels(image, out=np.empty((4, 4), np.uint8))
    with pytest.raises(AssertionError, match="computed"):
        LEVELS.labels(image).compute()


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_nan(lazy):
    image = height()
    image[1, 2] = np.nan
    if lazy:
        pytest.importorskip("dask.array")
        image = image.reset_index("x").chunk({"y": 1, "x": 4})
    with pytest.raises(ValueError, match="1 NaN"):
        LEVELS.labels(image).compute()
    labels = LEVELS.labels(image, nan=255)
    assert labels[1, 2] == 255
    assert labels.encoding["_FillValue"] == 255
    assert labels.encoding["_FillValue"].dtype == np.uint8
    assert "_FillValue" not in LEVELS.labels(image, nan=2).encoding
    assert np.isnan(LEVELS.snap(image)[1, 2])
    assert LEVELS.inertia(image) == LEVELS.inertia(image.to_numpy())


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
def test_where_goes_by_dimensions(lazy):
    image = height().reset_index("x")
    asked = image.transpose("x", "y") > 8
    row = image.y > 1
    if lazy:
        pytest.importorskip("dask.array")
        image, asked = image.chunk({"y": 3, "x": 4}), asked.chunk({"y": 2})
    array = image.to_numpy()
    for where, plain in (
        (asked, array > 8),
        (row, (image.y.to_numpy() > 1)[:, np.newaxis]),
        (array > 8, array > 8),
        (array[0] > 8, array[0] > 8),
        (False, False),
    ):
        labels, snapped = LEVELS.labels_and_snap(image, where=where)
        np.testing.assert_array_equal(labels, LEVELS.labels(array, where=plain))
        np.testing.assert_array_equal(snapped, LEVELS.snap(array, where=plain))
        assert ls.histogram(image, where=where) == ls.histogram(array, where=plain)
        found = ls.distinct(image, where=where)
        np.testing.assert_array_equal(found, ls.distinct(array, where=plain))
    assert ls.fit(image, 3, where=asked) == ls.fit(array, 3, where=array > 8)
    with pytest.raises(ValueError, match="exact"):
        LEVELS.labels(image, where=row.assign_coords(y=[0, 1, 2, 5]))
    with pytest.raises(ValueError, match="where has dimensions"):
        LEVELS.labels(image, where=row.expand_dims(z=2))
    with pytest.raises(ValueError, match="does not broadcast"):
        LEVELS.labels(image, where=np.ones(5, bool))
    with pytest.raises(TypeError, match="where must be boolean"):
        LEVELS.labels(image, where=row.astype(int)).compute()


def test_lazy_where_of_an_eager_image():
    pytest.importorskip("dask.array")
    image = height().reset_index("x")
    where = (image > 8).chunk({"x": 2})
    labels = LEVELS.labels(image, where=where)
    assert labels.chunks is not None
    np.testing.assert_array_equal(labels, LEVELS.labels(image, where=where.compute()))
    assert ls.distinct(image, where=where).min() > 8


def test_out():
    image = height()
    out = image.astype(np.int16)
    assert LEVELS.labels(image, out=out) is out
    np.testing.assert_array_equal(out, LEVELS.labels(image.to_numpy()))
    assert out.attrs == ATTRS
    plain = np.empty(image.shape, np.uint8)
    labels, snapped = LEVELS.labels_and_snap(image, out=(plain, None))
    assert labels is plain
    check_snapped(snapped, image)
    expected = image.to_numpy().copy()
    assert LEVELS.snap(image, out=image) is image
    np.testing.assert_array_equal(image, LEVELS.snap(expected))
    with pytest.raises(ValueError, match="out has dimensions"):
        LEVELS.snap(image, out=image.T)
    image = image.reset_index("x")
    with pytest.raises(TypeError, match="Dataset"):
        LEVELS.snap(image.to_dataset(), out=image)
    with pytest.raises(TypeError, match="out must be a pair"):
        LEVELS.labels_and_snap(image, out=out)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
def test_shapes(shape):
    image = xr.DataArray(np.full(shape, 11, np.uint16), name="a")
    labels, snapped = LEVELS.labels_and_snap(image)
    assert labels.shape == snapped.shape == shape
    assert (labels == 1).all()
    assert (snapped == 10).all()
    assert snapped.dtype == np.uint16


def test_a_coordinate_and_views():
    image = height()
    np.testing.assert_array_equal(LEVELS.labels(image.y), LEVELS.labels(image.y.to_numpy()))
    view = image[::-1, 1::2]
    check_labels(LEVELS.labels(view), view)
    check_snapped(LEVELS.snap(view.T), view.T)


def test_dataset():
    image = height()
    dataset = xr.Dataset(
        {"a": image, "b": image.astype("int16").isel(y=0, drop=True), "c": 3}, attrs={"title": "t"}
    )
    dataset.encoding = {"unlimited_dims": {"y"}}
    labels, snapped = LEVELS.labels_and_snap(dataset)
    for found in labels, snapped, LEVELS.decode(labels):
        assert isinstance(found, xr.Dataset)
        assert found.attrs == {"title": "t"}
        assert found.encoding == dataset.encoding
        xr.testing.assert_identical(found.coords.to_dataset(), dataset.coords.to_dataset())
    for name, variable in dataset.data_vars.items():
        xr.testing.assert_identical(labels[name], LEVELS.labels(variable))
        xr.testing.assert_identical(snapped[name], LEVELS.snap(variable))
    xr.testing.assert_identical(LEVELS.labels(dataset), labels)
    xr.testing.assert_identical(LEVELS.snap(dataset), snapped)
    where = dataset > 8
    found = LEVELS.labels(dataset, where=where)
    xr.testing.assert_identical(found.a, LEVELS.labels(dataset.a, where=where.a))
    with pytest.raises(TypeError, match="dtype <U1") as error:
        LEVELS.snap(dataset.assign(text="a"))
    assert error.value.__notes__ == ["in the Dataset's variable 'text'"]


def test_fit_of_a_dataset_takes_all_variables_together():
    image = height()
    dataset = xr.Dataset({"a": image, "b": image * 3})
    values = np.concatenate([image.to_numpy(), image.to_numpy() * 3])
    assert ls.histogram(dataset) == ls.histogram(values)
    np.testing.assert_array_equal(ls.distinct(dataset), ls.distinct(values))
    assert ls.distinct(dataset).flags.writeable
    for weights in "distinct", "counts":
        assert ls.fit(dataset, 4, weights=weights) == ls.fit(values, 4, weights=weights)
    assert ls.choose_k(dataset).k == ls.choose_k(values).k
    dataset.b[0, 0] = np.inf
    with pytest.raises(ValueError, match="1 infinite element"):
        ls.fit(dataset, 4)
    dataset.b[0, 0] = np.nan
    with pytest.raises(ValueError, match="1 NaN"):
        ls.fit(dataset, 4, method="opencv")


def test_store(tmp_path):
    """What is written is read back, missing elements included."""
    pytest.importorskip("zarr")
    image = height().reset_index("x").drop_vars(["word", "number"])
    image[1, 2] = np.nan
    image.attrs = {"units": "m"}
    image.encoding = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 5.0, "_FillValue": -1}
    labels, snapped = LEVELS.labels_and_snap(image, nan=255)
    xr.Dataset({"labels": labels, "snapped": snapped}).to_zarr(tmp_path, zarr_format=2)
    options = {"engine": "zarr", "chunks": None}
    with xr.open_dataset(tmp_path, mask_and_scale=False, **options) as found:
        np.testing.assert_array_equal(found.labels, labels)
        assert found.labels.dtype == np.uint8
        assert found.labels.attrs["_FillValue"] == 255
        assert list(found.labels.attrs["flag_values"]) == [0, 1, 2]
        assert found.labels.attrs["flag_meanings"] == "0 10 20.5"
    with xr.open_dataset(tmp_path, **options) as found:
        assert np.isnan(found.labels[1, 2])
        np.testing.assert_array_equal(found.snapped, snapped)
        fitted = ls.fit(found.snapped, 3)  # read when it is asked for
        assert fitted == LEVELS
        np.testing.assert_array_equal(fitted.labels(found.snapped, nan=255), labels)


def test_accessor():
    import levelsnap.xarray  # noqa: F401

    image = height()
    codebook = image.levelsnap.fit(3, weights="counts")
    assert codebook == ls.fit(image, 3, weights="counts")
    assert image.levelsnap.histogram() == ls.histogram(image)
    choice = image.levelsnap.choose_k(4, weights="counts")
    assert choice.k == ls.choose_k(image, 4, weights="counts").k
    xr.testing.assert_identical(image.levelsnap.labels(codebook), codebook.labels(image))
    dataset = image.to_dataset()
    xr.testing.assert_identical(dataset.levelsnap.snap([1, 2]), ls.snap(dataset, [1, 2]))
    for found in dataset.levelsnap.labels_and_snap(codebook, nan=7):
        assert isinstance(found, xr.Dataset)


def test_dataset_of_nothing():
    for function in (ls.histogram, ls.distinct, lambda image: ls.fit(image, 2)):
        with pytest.raises(ValueError, match="the Dataset has no variables"):
            function(xr.Dataset())
