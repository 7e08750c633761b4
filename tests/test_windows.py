"""Big files from the shell: by windows the same pixels, metadata and levels as in one piece."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from processes import environment

import levelsnap as ls

pytest.importorskip("click")
tifffile = pytest.importorskip("tifffile")

from click.testing import CliRunner  # noqa: E402

from levelsnap import _commands, raster, threads, windows  # noqa: E402
from levelsnap.windows import cut  # noqa: E402

SMALL = "40kB"  # so that every file is read by many windows, mostly of one block
RNG = np.random.default_rng(11)


def run(*arguments):
    """Run a command by small windows; what it says."""
    result = CliRunner().invoke(_commands.levelsnap, [*map(str, arguments), "--memory", SMALL])
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments):
    result = CliRunner().invoke(_commands.levelsnap, [*map(str, arguments), "--memory", SMALL])
    assert result.exit_code == 2
    return result.output


def picture(dtype="float32", shape=(70, 100)):
    return RNG.integers(1, 200, shape).astype(dtype)


def read(path):
    return np.asarray(raster.read_image(path))


# Windows


@pytest.mark.parametrize(
    ("shape", "limit", "blocks"),
    [
        ((), 1, [()]),
        ((0, 5), 3, [(1, 1)]),
        ((10,), 3, [(1,)]),
        ((70, 100), 900, [(1, 1)]),
        ((70, 100), 3000, [(16, 32), (7, 100)]),
        ((70, 100), 10, [(16, 32)]),
        ((5, 70, 100), 16_000, [(1, 16, 16), (1, 1, 1)]),
        ((3, 70, 100), 5000, [(3, 8, 100)]),
    ],
)
def test_windows_make_up_the_array_in_whole_blocks(shape, limit, blocks):
    seen = np.zeros(shape, int)
    least = [
        max(min(np.lcm.reduce(sizes), n), 1)
        for sizes, n in zip(zip(*blocks, strict=True), shape, strict=True)
    ]
    last = -1
    for window in cut(shape, limit, *blocks):
        seen[window] += 1
        sizes = [part.stop - part.start for part in window]
        assert np.prod(sizes) <= max(limit, np.prod(least))
        assert all(part.start % block == 0 for part, block in zip(window, least, strict=True))
        if seen.size:
            place = np.ravel_multi_index([part.start for part in window], shape) if shape else 0
            assert place > last
            last = place
    assert (seen == 1).all()


@pytest.mark.parametrize(
    ("shape", "limit", "blocks", "ordered"),
    [
        ((20, 47, 14), 1000, [(15, 30, 11)], (1, 1, 14)),
        ((20, 47, 14), 4000, [(15, 30, 11)], (1, 1, 14)),
        ((70, 100), 700, [(32, 10)], (16, 16)),
        ((5, 70, 100), 16_000, [(1, 16, 16)], (1, 16, 16)),
    ],
)
def test_windows_follow_each_other_for_a_writer_that_needs_it(shape, limit, blocks, ordered):
    grid = [-(-n // length) for n, length in zip(shape, ordered, strict=True)]
    places = np.arange(np.prod(grid)).reshape(grid)
    found = []
    for window in cut(shape, limit, *blocks, ordered=[ordered]):
        assert np.prod([part.stop - part.start for part in window]) <= limit
        part = places[
            tuple(
                slice(w.start // n, -(-w.stop // n)) for w, n in zip(window, ordered, strict=True)
            )
        ]
        found += part.ravel().tolist()
    assert found == list(range(places.size))


def test_an_array_that_fits_is_one_window():
    assert list(cut((4, 5), 20, (2, 2))) == [(slice(0, 4), slice(0, 5))]


@pytest.mark.parametrize(
    ("text", "size"),
    [("200MB", 200_000_000), ("1.5 GiB", 3 << 29), ("7", 7), ("3k", 3000), ("2tb", 2 * 10**12)],
)
def test_sizes(text, size):
    assert _commands.Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "0", "-3MB", "MB", "3 parsecs", "1e9", "0.1"])
def test_sizes_that_are_none(text, tmp_path):
    result = CliRunner().invoke(
        _commands.levelsnap, ["choose", str(tmp_path / "a.npy"), "--memory", text]
    )
    assert result.exit_code == 2
    assert "200MB" in result.output


def test_default_memory_is_a_part_of_what_there_is():
    assert 1 << 24 < windows.default_memory() < 1 << 50


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/a/b", {"a/b/memory.max": "400", "a/memory.max": "max"}),
        ("0::/a/b", {"a/b/memory.max": "900", "a/memory.max": "400"}),
        ("0::/", {"memory.max": "400"}),
        ("4:cpu:/b\n3:memory:/a", {"memory/a/memory.limit_in_bytes": "400"}),
        ("3:memory:/a", {"memory/memory.limit_in_bytes": "400"}),
    ],
)
def test_default_memory_is_within_control_groups(own, files, tmp_path, monkeypatch):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    monkeypatch.setattr(threads, "CGROUPS", str(tmp_path / "groups"))
    monkeypatch.setattr(threads, "PROCESS_CGROUPS", str(tmp_path / "own"))
    assert windows.default_memory() == 100


# Formats


def write_npy(path, image):
    np.save(path, image)


def write_fortran(path, image):
    np.save(path, np.asfortranarray(image))


def tiff(**options):
    def write(path, image):
        tifffile.imwrite(path, image, photometric="minisblack", **options)

    return write


def write_single_pages(path, image):
    with tifffile.TiffWriter(path) as file:
        for page in image.reshape(-1, *image.shape[-2:]):
            file.write(page, photometric="minisblack")


def write_zarr(path, image, **options):
    zarr = pytest.importorskip("zarr")
    chunks = (1,) * (image.ndim - 2) + (16, 30)
    zarr.create_array(path, data=image, chunks=chunks, **options)


def write_zarr_shards(path, image):
    shards = (1,) * (image.ndim - 2) + (32, 60)
    write_zarr(path, image, shards=shards, compressors=None)


def write_zarr_2(path, image):
    write_zarr(path, image, zarr_format=2)


def write_gdal(**options):
    def write(path, image, **others):
        rasterio = pytest.importorskip("rasterio", exc_type=ImportError)
        bands = image if image.ndim == 3 else image[None]
        profile = {
            "driver": "GTiff",
            "count": len(bands),
            "height": bands.shape[1],
            "width": bands.shape[2],
            "dtype": image.dtype.name,
            "crs": "EPSG:32633",
            "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
            "photometric": "minisblack",
        }
        with rasterio.open(path, "w", **profile | options | others) as file:
            file.write(bands)

    return write


FILES = {
    "npy": ("a.npy", write_npy),
    "fortran": ("a.npy", write_fortran),
    "tiff": ("a.tif", tiff()),
    "big-endian": ("a.tif", tiff(byteorder=">")),
    "strips": ("a.tif", tiff(rowsperstrip=7, compression="zlib")),
    "tiles": ("a.tif", tiff(tile=(16, 32))),
    "deflated tiles": ("a.tif", tiff(tile=(32, 16), compression="zlib", predictor=2)),
    "bigtiff": ("a.tif", tiff(bigtiff=True, rowsperstrip=3)),
    "single pages": ("a.tif", write_single_pages),
    "ome": ("a.ome.tif", tiff(ome=True, tile=(16, 16))),
    "zarr": ("a.zarr", write_zarr),
    "zarr shards": ("a.zarr", write_zarr_shards),
    "zarr 2": ("a.zarr", write_zarr_2),
    "geotiff": ("a.tif", write_gdal(blockysize=5)),
    "geotiff tiles": ("a.tif", write_gdal(tiled=True, blockxsize=16, blockysize=32)),
    "geotiff lzw": ("a.tif", write_gdal(compress="lzw", predictor=2)),
}


@pytest.mark.parametrize("shape", [(70, 100), (3, 70, 100)])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("kind", FILES)
def test_by_windows_as_in_one_piece(tmp_path, kind, dtype, shape):
    name, write = FILES[kind]
    image = picture(dtype, shape)
    if dtype == "float32" and kind in ("deflated tiles", "geotiff lzw"):
        image = image.astype("int32")
    source, out, labels = tmp_path / name, tmp_path / f"out{name[1:]}", tmp_path / f"l{name[1:]}"
    write(source, image)
    levels = tmp_path / "levels.json"
    run("quantize", source, out, "-k", 5, "--labels", labels, "--codebook", levels)
    codebook = ls.fit(image, 5)
    assert ls.Codebook.load(levels) == codebook
    squeezed = image.reshape(read(source).shape)
    np.testing.assert_array_equal(read(out), codebook.snap(squeezed), strict=True)
    np.testing.assert_array_equal(read(labels), codebook.labels(squeezed), strict=True)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in (source, out, labels, levels)}


@pytest.mark.parametrize("kind", FILES)
def test_in_place(tmp_path, kind):
    name, write = FILES[kind]
    image = picture("uint8")
    write(tmp_path / name, image)
    run("quantize", tmp_path / name, tmp_path / name, "-k", 3, "--weights", "counts", "-q")
    np.testing.assert_array_equal(
        read(tmp_path / name), ls.fit(image, 3, weights="counts").snap(image), strict=True
    )
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("out", ["b.npy", "b.tif", "b.zarr", "b.png", "b.ome.tif"])
@pytest.mark.parametrize("kind", ["npy", "deflated tiles", "zarr", "geotiff tiles"])
def test_from_one_format_to_another(tmp_path, kind, out):
    if out.endswith(".png"):
        pytest.importorskip("cv2")
    if out == "b.zarr":
        pytest.importorskip("zarr")
    name, write = FILES[kind]
    image = picture("uint16")
    write(tmp_path / name, image)
    ls.Codebook([50, 100]).save(tmp_path / "levels.json")
    run("apply", tmp_path / "levels.json", tmp_path / name, tmp_path / out)
    np.testing.assert_array_equal(read(tmp_path / out), ls.snap(image, [50, 100]), strict=True)


@pytest.mark.parametrize("kind", ["shaped", "imagej", "ome"])
@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_stack_of_columns(tmp_path, kind, layout):
    if kind == "imagej" and layout:
        pytest.skip("ImageJ has neither")
    image = picture("uint16", (3, 40, 1))
    options = {} if kind == "shaped" else {kind: True, "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", **layout, **options)
    np.save(tmp_path / "b.npy", image)
    snapped = ls.fit(image, 3).snap(image)
    for name in ("a.tif", "b.npy"):
        for out in ("o.tif", "o.ome.tif"):
            chosen = ("--compression", "deflate") if "compression" in layout else ()
            run("quantize", tmp_path / name, tmp_path / out, "-k", 3, *chosen)
            found = tifffile.imread(tmp_path / out)
            np.testing.assert_array_equal(found.squeeze(), snapped.squeeze())


@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_stacks_of_columns_keep_their_shape(tmp_path, compression):
    image = picture("uint16", (2, 3, 20, 1))
    np.save(tmp_path / "a.npy", image)
    arguments = ("quantize", tmp_path / "a.npy", tmp_path / "o.tif", "-k", 3)
    run(*arguments, "--compression", compression)
    np.testing.assert_array_equal(read(tmp_path / "o.tif"), ls.fit(image, 3).snap(image))
    assert tifffile.imread(tmp_path / "o.tif").shape == image.shape


def test_chunks_deeper_than_a_page_to_tiff(tmp_path):
    zarr = pytest.importorskip("zarr")
    image = picture("uint16", (20, 47, 70))
    zarr.create_array(tmp_path / "a.zarr", data=image, chunks=(15, 30, 40))
    run(
        "quantize", tmp_path / "a.zarr", tmp_path / "o.tif", "-k", 4, "--labels", tmp_path / "l.tif"
    )
    codebook = ls.fit(image, 4)
    assert np.array_equal(read(tmp_path / "o.tif"), codebook.snap(image))
    assert np.array_equal(read(tmp_path / "l.tif"), codebook.labels(image))


@pytest.mark.parametrize("dtype", raster.FORMATS[".npy"].dtypes)
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_any_dtype(tmp_path, dtype, tile, compression):
    image = picture(dtype) if dtype != "bool" else picture() > 100
    if dtype == "bool" and (tile or compression):
        pytest.skip("tifffile does not write these")
    tifffile.imwrite(
        tmp_path / "a.tif", image, photometric="minisblack", tile=tile, compression=compression
    )
    ls.Codebook([0, 1]).save(tmp_path / "levels.json")
    run("apply", tmp_path / "levels.json", tmp_path / "a.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), ls.snap(image, [0, 1]), strict=True)


@pytest.mark.parametrize("shape", [(), (0, 5), (7,), (2, 3, 4, 5)])
def test_npy_of_any_shape(tmp_path, shape):
    image = picture("int16", shape)
    np.save(tmp_path / "a.npy", image)
    ls.Codebook([50, 100]).save(tmp_path / "levels.json")
    run("apply", tmp_path / "levels.json", tmp_path / "a.npy", tmp_path / "b.npy")
    np.testing.assert_array_equal(read(tmp_path / "b.npy"), ls.snap(image, [50, 100]), strict=True)


def test_several_files_share_a_codebook(tmp_path):
    pytest.importorskip("rasterio", exc_type=ImportError)
    pytest.importorskip("zarr")
    parts = [picture("uint16", (40, 50)) + 100 * i for i in range(3)]
    paths = [tmp_path / "a.npy", tmp_path / "b.tif", tmp_path / "c.zarr"]
    for path, part, write in zip(
        paths, parts, (write_npy, write_gdal(), lambda p, i: write_zarr(p, i)), strict=True
    ):
        write(path, part)
    said = run("fit", *paths, "-k", 6, "-o", tmp_path / "levels.json", "--weights", "counts")
    assert "6000 pixels" in said
    expected = ls.fit(np.stack(parts), 6, weights="counts")
    assert ls.Codebook.load(tmp_path / "levels.json") == expected
    chosen = run("choose", *paths, "--k-max", 9, "-q")
    assert int(chosen) == ls.choose_k(np.stack(parts), 9).k


# TIFF's layout and tags


def first_page(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        return page, dict(page.tags.items()), file.is_bigtiff


@pytest.mark.parametrize("kind", ["strips", "tiles", "deflated tiles", "bigtiff"])
def test_layout_of_tiff_is_kept(tmp_path, kind):
    image = picture("uint16", (2, 70, 100))
    FILES[kind][1](tmp_path / "a.tif", image)
    run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 2, "--labels", tmp_path / "l.tif")
    was, _, was_big = first_page(tmp_path / "a.tif")
    for name in ("b.tif", "l.tif"):
        page, _, big = first_page(tmp_path / name)
        assert (page.compression, page.predictor) == (was.compression, was.predictor)
        assert (page.tile, page.rowsperstrip, big) == (was.tile, was.rowsperstrip, was_big)


def test_compression_is_chosen(tmp_path):
    image = picture("uint16")
    tifffile.imwrite(tmp_path / "a.tif", image, compression="zlib", tile=(16, 16), predictor=True)
    for name, tag in (("none", 1), ("deflate", 8)):
        out = tmp_path / f"{name}.tif"
        run("quantize", tmp_path / "a.tif", out, "-k", 2, "--compression", name)
        page, _, _ = first_page(out)
        assert (page.compression, page.tile) == (tag, (16, 16))
        np.testing.assert_array_equal(read(out), ls.fit(image, 2).snap(image))
    said = refusal(
        "quantize", tmp_path / "a.tif", tmp_path / "b.npy", "-k", 2, "--compression", "deflate"
    )
    assert "compression deflate" in said


def test_resolution_and_description_are_kept(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", picture("uint8"), resolution=(300, 150), resolutionunit="CENTIMETER",
        description="a slide", metadata=None,
    )  # fmt: skip
    run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 2)
    page, _, _ = first_page(tmp_path / "b.tif")
    assert page.resolution == (300, 150)
    assert page.resolutionunit == tifffile.RESUNIT.CENTIMETER
    assert page.description == "a slide"


def test_ome_metadata_is_kept(tmp_path):
    image = picture("uint16", (2, 3, 40, 50))
    known = {
        "axes": "CZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeZ": 2.0,
        "Channel": {"Name": ["red", "far red"]},
    }  # fmt: skip
    tifffile.imwrite(
        tmp_path / "a.ome.tif", image, metadata=known, photometric="minisblack", tile=(16, 16)
    )
    run("quantize", tmp_path / "a.ome.tif", tmp_path / "b.ome.tif", "-k", 3)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        assert file.is_ome
        assert file.series[0].axes == "CZYX"
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.25, "µm")
    assert pixels["PhysicalSizeZ"] == 2.0
    assert [channel["Name"] for channel in pixels["Channel"]] == ["red", "far red"]
    np.testing.assert_array_equal(read(tmp_path / "b.ome.tif"), ls.fit(image, 3).snap(image))


def test_imagej_metadata_is_kept(tmp_path):
    image = picture("uint16", (4, 40, 50))
    tifffile.imwrite(
        tmp_path / "a.tif", image, imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "spacing": 1.5, "unit": "um"},
    )  # fmt: skip
    run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 3)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["spacing"] == 1.5
        assert file.imagej_metadata["unit"] == "um"
        assert file.series[0].axes == "ZYX"
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), ls.fit(image, 3).snap(image))


def test_a_geotiff_without_rasterio_keeps_its_place(tmp_path, monkeypatch):
    image = picture("int16")
    image[:9] = -9999
    write_gdal(nodata=-9999)(tmp_path / "a.tif", image)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 3, "--labels", tmp_path / "l.tif")
    monkeypatch.undo()
    import rasterio

    with rasterio.open(tmp_path / "a.tif") as a, rasterio.open(tmp_path / "b.tif") as b:
        assert (a.crs, a.transform, a.nodata) == (b.crs, b.transform, b.nodata)
        np.testing.assert_array_equal(b.read(1)[:9], -9999)
        np.testing.assert_array_equal(b.read(1)[9:], ls.fit(image[9:], 3).snap(image[9:]))
    with rasterio.open(tmp_path / "l.tif") as file:
        assert file.nodata == 255


# GeoTIFF


@pytest.fixture
def geotiff(tmp_path):
    rasterio = pytest.importorskip("rasterio", exc_type=ImportError)
    image = picture("float32", (2, 600, 700))
    image[:, 20:40, 30:60] = -9999
    image[0, 0, :5] = np.nan
    path = tmp_path / "a.tif"
    write_gdal(
        nodata=-9999, tiled=True, blockxsize=64, blockysize=128, compress="deflate", predictor=3,
        interleave="band",
    )(path, image)  # fmt: skip
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("height", "depth")
        file.units = ("metre", "fathom")
        file.update_tags(SURVEY="1987", AREA_OR_POINT="Point")
        file.update_tags(1, SENSOR="lead line", STATISTICS_MEAN="99")
    return path, image


def test_geotiff_keeps_its_metadata(tmp_path, geotiff):
    import rasterio

    path, image = geotiff
    out, labels = tmp_path / "b.tif", tmp_path / "l.tif"
    run("quantize", path, out, "-k", 4, "--labels", labels, "--overviews")
    valid = (image != -9999) & ~np.isnan(image)
    codebook = ls.fit(image[valid], 4)
    with rasterio.open(path) as a, rasterio.open(out) as b, rasterio.open(labels) as c:
        for file in (b, c):
            assert (file.crs, file.transform) == (a.crs, a.transform)
            assert file.block_shapes == a.block_shapes
            assert file.descriptions == a.descriptions
            assert file.profile["compress"] == "deflate"
            assert file.tags()["SURVEY"] == "1987"
            assert file.tags()["AREA_OR_POINT"] == "Point"
            assert file.overviews(1) == [2, 4]
        assert b.nodata == -9999
        assert b.units == ("metre", "fathom")
        assert b.tags(1)["SENSOR"] == "lead line"
        assert "STATISTICS_MEAN" not in b.tags(1)
        assert b.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        snapped = b.read()
        np.testing.assert_array_equal(snapped[~valid], image[~valid])
        np.testing.assert_array_equal(snapped[valid], codebook.snap(image[valid]))
        assert c.nodata == 255
        assert c.units == (None, None)
        got = c.read()
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got[~valid], 255)
        np.testing.assert_array_equal(got[valid], codebook.labels(image[valid]))
        overview = b.read(1, out_shape=(300, 350))
        known = overview[~np.isnan(overview)]
        assert set(known) <= {*codebook.centers.astype("f4"), -9999}
    assert {p.name for p in tmp_path.iterdir()} == {"a.tif", "b.tif", "l.tif"}


def test_label_of_nodata_is_beyond_256_levels(tmp_path):
    image = np.arange(300, dtype="int16").reshape(15, 20)
    image[0, 0] = -1
    write_gdal(nodata=-1)(tmp_path / "a.tif", image)
    for k, dtype in ((255, "uint8"), (256, "uint16")):
        labels = tmp_path / "l.tif"
        run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", k, "--labels", labels)
        got = read(labels)
        assert got.dtype == dtype
        assert got[0, 0] == np.iinfo(dtype).max
        assert got.ravel()[1:].max() == k - 1


def test_nan_as_nodata(tmp_path):
    image = picture()
    image[3] = np.nan
    np.save(tmp_path / "a.npy", image)
    labels = tmp_path / "l.npy"
    arguments = "quantize", tmp_path / "a.npy", tmp_path / "b.npy", "-k", 3, "--labels", labels
    assert "--nodata nan" in refusal(*arguments)
    run(*arguments, "--nodata", "nan")
    assert (read(labels)[3] == 255).all()
    assert np.isnan(read(tmp_path / "b.npy")[3]).all()


def test_nodata_of_the_user(tmp_path):
    image = picture("uint8")
    image[:30] = 0
    np.save(tmp_path / "a.npy", image)
    run("quantize", tmp_path / "a.npy", tmp_path / "b.npy", "-k", 3, "--nodata", 0)
    snapped = read(tmp_path / "b.npy")
    np.testing.assert_array_equal(snapped[30:], ls.fit(image[30:], 3).snap(image[30:]))
    assert (snapped[:30] == 0).all()
    said = run("info", tmp_path / "a.npy", "--nodata", 0)
    assert "nodata: 0 (3000 pixels)" in said
    assert "NaN: 0" in said


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".zarr"])
@pytest.mark.parametrize(("dtype", "nodata"), [("int64", 2**63 - 1), ("uint64", 2**64 - 1)])
def test_nodata_of_64_bits(tmp_path, suffix, dtype, nodata):
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    image = np.full((2, 40), nodata, dtype)
    image[1, :20] = 3
    image[1, 20:] = 9
    np.save(tmp_path / "a.npy", image)
    out = tmp_path / f"b{suffix}"
    run("quantize", tmp_path / "a.npy", out, "-k", 2, "--nodata", nodata)
    np.testing.assert_array_equal(read(out), image)
    assert f"nodata: {nodata} (40 pixels)" in run("info", tmp_path / "a.npy", "--nodata", nodata)
    if suffix == ".zarr":  # .npy cannot say so, and rasterio reads a TIFF's as a float
        assert f"nodata: {nodata} (40 pixels)" in run("info", out)


def test_a_level_that_is_nodata(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[8, 9, 10, 11, 12]], np.int8))
    said = run("quantize", tmp_path / "a.npy", tmp_path / "b.npy", "-k", 1, "--nodata", 10)
    assert "a level is 10, which stands for nodata" in said


def test_mask_of_a_geotiff_is_kept(tmp_path):
    rasterio = pytest.importorskip("rasterio", exc_type=ImportError)
    image = picture("uint8")
    mask = np.full(image.shape, 255, np.uint8)
    mask[:20] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_gdal()(tmp_path / "a.tif", image)
        with rasterio.open(tmp_path / "a.tif", "r+") as file:
            file.write_mask(mask)
    run("quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 3, "--labels", tmp_path / "l.tif")
    with rasterio.open(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(file.read_masks(1), mask)
        np.testing.assert_array_equal(file.read(1)[20:], ls.fit(image[20:], 3).snap(image[20:]))
    with rasterio.open(tmp_path / "l.tif") as file:
        np.testing.assert_array_equal(file.read_masks(1), mask)
        assert file.nodata == 255


def test_other_formats_that_gdal_reads(tmp_path):
    rasterio = pytest.importorskip("rasterio", exc_type=ImportError)
    image = picture("int16")
    with rasterio.open(
        tmp_path / "a.img",
        "w",
        driver="HFA",
        count=1,
        height=70,
        width=100,
        dtype="int16",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:
        file.write(image, 1)
    run("quantize", tmp_path / "a.img", tmp_path / "b.tif", "-k", 3)
    assert "shape: 70 x 100" in run("info", tmp_path / "a.img")
    np.testing.assert_array_equal(read(tmp_path / "b.tif"), ls.fit(image, 3).snap(image))
    (tmp_path / "a.xyz").write_text("nothing")
    assert "a.xyz" in refusal("quantize", tmp_path / "a.xyz", tmp_path / "c.npy", "-k", 1)


@pytest.mark.parametrize("nodata", [(7, 9), (7, None), (None, 9)])
def test_bands_that_differ_in_nodata(tmp_path, nodata):
    pytest.importorskip("rasterio", exc_type=ImportError)
    image = picture("uint8", (2, 70, 100))
    image[0, :9], image[1, 9:20] = 7, 9
    layout = {"photometric": "minisblack", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.tif", image, **layout)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{i}">'
        + ("" if value is None else f"<NoDataValue>{value}</NoDataValue>")
        + '<SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        f"<SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i, value in enumerate(nodata, 1)
    )
    text = f'<VRTDataset rasterXSize="100" rasterYSize="70">{bands}</VRTDataset>'
    (tmp_path / "a.vrt").write_text(text)
    arguments = ("quantize", tmp_path / "a.vrt", tmp_path / "o.npy", "-k", 4)
    run(*arguments, "--labels", tmp_path / "l.tif")
    hidden = np.stack([band == value for band, value in zip(image, nodata, strict=True)])
    codebook = ls.fit(image, 4, where=~hidden)
    snapped = np.where(hidden, image, codebook.snap(image))
    np.testing.assert_array_equal(read(tmp_path / "o.npy"), snapped)
    labels = np.where(hidden, 255, codebook.labels(image))
    np.testing.assert_array_equal(read(tmp_path / "l.tif"), labels)
    said = refusal("quantize", tmp_path / "a.vrt", tmp_path / "o.tif", "-k", 4)
    assert "--nodata" in said
    run("quantize", tmp_path / "a.vrt", tmp_path / "o.tif", "-k", 4, "--nodata", 7)


def test_gdal_that_is_missing(tmp_path, monkeypatch):
    (tmp_path / "a.img").write_text("nothing")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    said = refusal("quantize", tmp_path / "a.img", tmp_path / "b.npy", "-k", 1)
    assert "levelsnap[raster]" in said


def test_overviews_are_for_geotiff(tmp_path):
    np.save(tmp_path / "a.npy", picture())
    for out in ("b.npy", "b.tif"):
        said = refusal("quantize", tmp_path / "a.npy", tmp_path / out, "-k", 1, "--overviews")
        assert "GeoTIFF" in said


# zarr


def test_zarr_keeps_its_metadata(tmp_path):
    zarr = pytest.importorskip("zarr")
    image = picture("int16")
    image[:10] = -5
    array = zarr.create_array(
        tmp_path / "a.zarr", data=image, chunks=(16, 30), dimension_names=("y", "x"),
        attributes={"units": "m", "long_name": "height", "_FillValue": -5},
    )  # fmt: skip
    out, labels = tmp_path / "b.zarr", tmp_path / "l.zarr"
    for _ in range(2):  # the second time it replaces the stores
        run("quantize", tmp_path / "a.zarr", out, "-k", 3, "--labels", labels)
    snapped, named = zarr.open_array(out, mode="r"), zarr.open_array(labels, mode="r")
    for copy in (snapped, named):
        assert copy.chunks == array.chunks
        assert copy.metadata.dimension_names == ("y", "x")
        assert copy.compressors == array.compressors
    assert dict(snapped.attrs) == dict(array.attrs)
    assert dict(named.attrs) == {"long_name": "height", "_FillValue": 255}
    codebook = ls.fit(image[10:], 3)
    np.testing.assert_array_equal(snapped[10:], codebook.snap(image[10:]))
    np.testing.assert_array_equal(snapped[:10], -5)
    np.testing.assert_array_equal(named[:10], 255)
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", "b.zarr", "l.zarr"}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("dtype", "fill"), [("int16", -9999), ("f4", -9999.5), ("f4", np.nan)])
def test_nodata_of_xarray_in_zarr(tmp_path, version, dtype, fill):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    known = picture("float64")
    known[:20] = np.nan
    array = xr.DataArray(known, dims=("y", "x"), name="h")
    array.encoding = {"dtype": dtype, "_FillValue": fill}
    options = {"zarr_format": version, "consolidated": False}
    store = tmp_path / "a.zarr"
    array.to_dataset().to_zarr(store, **options)
    labels = store / "labels.zarr"  # an array of the group
    run("quantize", store / "h", store / "h", "-k", 4, "--labels", labels)
    codebook = ls.fit(known, 4)
    result = xr.open_zarr(store, chunks=None, consolidated=False)
    snapped = codebook.snap(known)
    snapped = snapped.round() if dtype == "int16" else snapped.astype("float32")
    assert np.array_equal(result["h"], snapped, equal_nan=True)
    expected = np.where(np.isnan(known), np.nan, codebook.labels(known, nan=255))
    assert np.array_equal(result["labels.zarr"], expected, equal_nan=True)


@pytest.mark.parametrize("nodata", ["-1", "nan"])
def test_xarray_reads_nodata_of_the_user(tmp_path, nodata):
    xr = pytest.importorskip("xarray")
    zarr = pytest.importorskip("zarr")
    image = picture()
    image[:20] = float(nodata)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.create_array("a", data=image, dimension_names=["y", "x"])
    run("quantize", tmp_path / "a.zarr/a", tmp_path / "a.zarr/a", "-k", 4, "--nodata", nodata)
    result = xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False)["a"]
    assert np.isnan(result[:20]).all()
    assert not np.isnan(result[20:]).any()


def test_arrays_of_a_zarr_group(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("height", data=picture("uint8"))
    said = refusal("quantize", tmp_path / "a.zarr", tmp_path / "b.npy", "-k", 1)
    assert str(tmp_path / "a.zarr" / "height") in said
    said = refusal("quantize", tmp_path / "a.zarr" / "height", tmp_path / "a.zarr", "-k", 1)
    assert "directory" in said  # it would be lost with all its arrays
    run("quantize", tmp_path / "a.zarr" / "height", tmp_path / "b.npy", "-k", 1)
    assert read(tmp_path / "b.npy").shape == (70, 100)


@pytest.mark.parametrize("name", ["none", "deflate", "zstd"])
@pytest.mark.parametrize("version", [2, 3])
def test_compression_of_zarr(tmp_path, name, version):
    pytest.importorskip("zarr")
    write_zarr(tmp_path / "a.zarr", picture("uint8"), zarr_format=version)
    run("quantize", tmp_path / "a.zarr", tmp_path / "b.zarr", "-k", 2, "--compression", name)
    import zarr

    compressors = zarr.open_array(tmp_path / "b.zarr", mode="r").compressors
    assert [type(c).__name__ for c in compressors] == {
        "none": [],
        "deflate": ["Zlib" if version == 2 else "GzipCodec"],
        "zstd": ["Zstd" if version == 2 else "ZstdCodec"],
    }[name]


def test_a_folder_that_is_no_store_is_not_replaced(tmp_path):
    pytest.importorskip("zarr")
    np.save(tmp_path / "a.npy", picture())
    folder = tmp_path / "b.zarr"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    assert "directory" in refusal("quantize", tmp_path / "a.npy", folder, "-k", 1).lower()
    assert (folder / "letter.txt").read_text() == "dear"


@pytest.mark.skipif(sys.platform == "win32", reason="not on Windows")
@pytest.mark.parametrize("size", [9000, 20_000, 27_000])
@pytest.mark.parametrize("kind", ["npy", "tiles", "bigtiff", "geotiff", "geotiff tiles"])
def test_full_disk(tmp_path, file_size_limit, kind, size):
    name, write = FILES[kind]
    write(tmp_path / name, picture())  # 28,000 bytes of pixels
    ls.Codebook([50, 100]).save(tmp_path / "levels.json")
    before = sorted(os.listdir(tmp_path))
    with file_size_limit(size):
        refusal("apply", tmp_path / "levels.json", tmp_path / name, tmp_path / f"out{name[1:]}")
    assert sorted(os.listdir(tmp_path)) == before


def test_tiff_without_an_image(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0\0\0\0\0")
    assert "it holds no image" in refusal(
        "quantize", tmp_path / "a.tif", tmp_path / "b.tif", "-k", 1
    )


@pytest.mark.parametrize("kind", ["npy", "strips", "deflated tiles", "geotiff lzw", "zarr"])
def test_truncated_file(tmp_path, kind):
    name, write = FILES[kind]
    write(tmp_path / name, picture("uint16"))
    path = tmp_path / name
    if path.is_dir():
        path = next(p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    ls.Codebook([50, 100]).save(tmp_path / "levels.json")
    before = sorted(os.listdir(tmp_path))
    said = refusal("apply", tmp_path / "levels.json", tmp_path / name, tmp_path / f"out{name[1:]}")
    assert str(tmp_path / name) in said
    assert sorted(os.listdir(tmp_path)) == before


class Terminal(StringIO):
    def isatty(self):
        return True


def test_progress_of_windows_on_a_terminal(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", picture())
    monkeypatch.setattr(_commands, "PROGRESS_AFTER", -1)
    monkeypatch.setattr(sys, "stderr", Terminal())
    asked = _commands.Run(threads=None, quiet=False, memory=10_000, nodata=None)
    with asked.open(tmp_path / "a.npy") as reader:
        assert len(list(asked.windows(reader, tmp_path / "a.npy", "Reading"))) > 10
    shown = sys.stderr.getvalue()
    assert "Reading" in shown
    assert "100%" in shown


# In processes of their own

BIG = {
    "npy": ("npy", write_npy),
    "tiff": ("tif", tiff()),
    "deflate": ("tif", tiff(compression="zlib", tile=(128, 128))),
    "stack": ("tif", tiff(compression="zlib", rowsperstrip=100)),
    "geotiff": ("tif", write_gdal(tiled=True, blockxsize=128, blockysize=128, compress="deflate")),
    "zarr": ("zarr", lambda path, image: pytest.importorskip("zarr").create_array(
        path, data=image, chunks=(128, 128))),
}  # fmt: skip

# The most memory that was resident after each run, in kB.
PEAKS = """
import sys
from levelsnap._commands import levelsnap
suffix = sys.argv[1]
for name in ("tiny", "big"):
    files = f"{name}.{suffix} out.{suffix} -k 3 --labels labels.{suffix} --memory 24MB -q"
    levelsnap(["quantize", *files.split()], standalone_mode=False)
    status = open("/proc/self/status").read().split()
    print(status[status.index("VmHWM:") + 1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("kind", BIG)
def test_memory_is_bounded(tmp_path, kind):
    suffix, write = BIG[kind]
    shape = (9, 1000, 1250) if kind == "stack" else (2250, 5000)
    image = np.resize(np.arange(7, dtype="float32"), shape)  # 45 MB
    write(tmp_path / f"big.{suffix}", image)
    write(tmp_path / f"tiny.{suffix}", image[..., :256, :256])
    done = subprocess.run(
        [sys.executable, "-c", PEAKS, suffix],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tiny, big = map(int, done.stdout.split())
    # A free-threaded Python frees later; the image alone has 45 MB.
    limit = 36e6 if sysconfig.get_config_var("Py_GIL_DISABLED") else 24e6
    assert (big - tiny) * 1024 < limit


INTERRUPTED = """
import signal, sys
from levelsnap._commands import levelsnap
signal.signal(signal.SIGINT, signal.default_int_handler)
levelsnap(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C alone")
@pytest.mark.parametrize("kind", ["npy", "deflate", "geotiff", "zarr"])
def test_ctrl_c_leaves_nothing(tmp_path, kind):
    suffix, write = BIG[kind]
    write(tmp_path / f"a.{suffix}", picture(shape=(1500, 1500)))
    out = tmp_path / f"out.{suffix}"
    out.write_bytes(b"old") if kind != "zarr" else None
    ls.Codebook(np.linspace(0, 200, 50)).save(tmp_path / "levels.json")
    before = sorted(os.listdir(tmp_path))
    arguments = "apply", tmp_path / "levels.json", tmp_path / f"a.{suffix}", out
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *map(str, arguments), "--memory", SMALL],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out*.tmp")) and time.monotonic() < deadline:
            time.sleep(0.005)  # until it writes
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, errors
    assert errors.strip() == "Aborted!"
    assert sorted(os.listdir(tmp_path)) == before
    if kind != "zarr":
        assert out.read_bytes() == b"old"
