"""Image files: what is read is what was written, or a plain refusal."""

import os
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from levelsnap import Codebook, raster
from levelsnap.windows import NpyWriter

cv2 = pytest.importorskip("cv2")
tifffile = pytest.importorskip("tifffile")

EVERY_DTYPE = raster.FORMATS[".npy"].dtypes


def picture(dtype="uint8", shape=(20, 30)):
    return np.random.default_rng(7).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def png(depth, colour, rows, *chunks, size=(2, 2)):
    """A PNG of raw rows, for the kinds that OpenCV does not write."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def jpeg(image):
    return cv2.imencode(".jpg", image)[1].tobytes()


def refusal(path, content=None):
    """The message with which `read_image` refuses a file."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        raster.read_image(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (suffix, dtype)
        for suffix, form in raster.FORMATS.items()
        for dtype in form.dtypes
        if not form.lossy
    ],
)
def test_round_trip_keeps_dtype_and_values(tmp_path, suffix, dtype):
    image = picture(dtype)
    path = tmp_path / f"image{suffix.upper()}"
    raster.check_image(path, image.shape, image.dtype, exact=True)
    raster.write_images({path: image})
    read = raster.read_image(path)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize(
    "shape", [(5, 8, 9), (3, 8, 9), (8, 9, 3), (8, 9, 4), (2, 3, 8, 9), (1, 1)]
)
def test_stacks_and_last_axes_like_channels(tmp_path, suffix, shape):
    image = picture("uint16", shape)
    path = tmp_path / f"stack{suffix}"
    raster.write_images({path: image})
    np.testing.assert_array_equal(raster.read_image(path), image)


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (7,)])
def test_npy_of_any_shape(tmp_path, shape):
    image = np.zeros(shape, np.float32)
    path = tmp_path / "image.npy"
    raster.write_images({path: image})
    assert raster.read_image(path).shape == shape


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".png"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_byte_and_memory_order(tmp_path, suffix, order):
    image = picture(">u2").copy(order=order)
    path = tmp_path / f"image{suffix}"
    raster.write_images({path: image})
    np.testing.assert_array_equal(raster.read_image(path), image)


def test_npy_is_mapped_read_only(tmp_path):
    np.save(tmp_path / "image.npy", picture())
    image = raster.read_image(tmp_path / "image.npy")
    assert isinstance(image, np.memmap)
    assert not image.flags.writeable


def test_orientation_is_not_applied(tmp_path):
    image = picture(shape=(16, 32))
    tag = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    plain = jpeg(image)
    turned = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag + plain[2:]
    (tmp_path / "turned.jpg").write_bytes(turned)
    assert raster.read_image(tmp_path / "turned.jpg").shape == image.shape


def test_compressed_tiff_without_imagecodecs(tmp_path):
    image = picture("uint16")
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    (tmp_path / "lzw.tif").write_bytes(cv2.imencode(".tif", image, lzw)[1].tobytes())
    np.testing.assert_array_equal(raster.read_image(tmp_path / "lzw.tif"), image)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rgb.png", cv2.imencode(".png", picture(shape=(4, 5, 3)))[1].tobytes()),
        ("rgba.png", cv2.imencode(".png", picture(shape=(4, 5, 4)))[1].tobytes()),
        ("rgb.jpg", jpeg(picture(shape=(4, 5, 3)))),
        ("rgb.bmp", cv2.imencode(".bmp", picture(shape=(4, 5, 3)))[1].tobytes()),
        ("palette.png", png(8, 3, b"\0\1\0" * 2, (b"PLTE", b"\1\2\3\4\5\6"))),
        ("grey_alpha.png", png(8, 4, b"\0\1\2\3\4" * 2)),
    ],
)
def test_colour_is_refused(tmp_path, name, content):
    assert "convert it to grey first" in refusal(tmp_path / name, content)


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((4, 5, 3), {"photometric": "rgb"}),
        ((3, 4, 5), {"photometric": "rgb", "planarconfig": "separate"}),
        ((4, 5, 2), {"photometric": "minisblack", "planarconfig": "contig"}),
        ((4, 5), {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
    ],
)
def test_colour_tiff_is_refused(tmp_path, shape, how):
    tifffile.imwrite(tmp_path / "colour.tif", picture(shape=shape), **how)
    assert "convert it to grey first" in refusal(tmp_path / "colour.tif")


def test_tiff_with_white_as_zero_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "white.tif", picture(), photometric="miniswhite")
    assert "MinIsWhite" in refusal(tmp_path / "white.tif")


def write_two_sizes(path, subfiletype):
    with tifffile.TiffWriter(path) as writer:
        for image, kind in ((picture(), 0), (picture(shape=(10, 15)), subfiletype)):
            writer.write(image, photometric="minisblack", subfiletype=kind)


def test_tiff_of_several_shapes_is_refused_but_an_overview_is_not(tmp_path):
    write_two_sizes(tmp_path / "two.tif", subfiletype=0)
    assert "several shapes" in refusal(tmp_path / "two.tif")
    write_two_sizes(tmp_path / "overview.tif", subfiletype=1)
    np.testing.assert_array_equal(raster.read_image(tmp_path / "overview.tif"), picture())


@pytest.mark.parametrize("suffix", raster.FORMATS)
@pytest.mark.parametrize("length", [0, 3, 20, 0.5, -1])
def test_truncated_file(tmp_path, capfd, suffix, length):
    path = tmp_path / f"image{suffix}"
    raster.write_images({path: picture(shape=(100, 100))})
    content = path.read_bytes()
    end = int(len(content) * length) if isinstance(length, float) else length
    refusal(path, content[:end])
    assert capfd.readouterr() == ("", "")  # OpenCV's decoders print to file descriptor 2


@pytest.mark.parametrize("suffix", raster.FORMATS)
def test_not_an_image(tmp_path, capfd, suffix):
    refusal(tmp_path / f"text{suffix}", b"this is not an image\n" * 50)
    assert capfd.readouterr() == ("", "")


def test_damaged_png_and_compressed_tiff(tmp_path, capfd):
    content = bytearray(cv2.imencode(".png", picture(shape=(100, 100)))[1].tobytes())
    content[len(content) // 2] ^= 0xFF
    refusal(tmp_path / "image.png", content)
    tifffile.imwrite(tmp_path / "image.tif", picture(shape=(100, 100)), compression="zlib")
    content = bytearray((tmp_path / "image.tif").read_bytes())
    content[-1000] ^= 0xFF
    refusal(tmp_path / "image.tif", content)
    assert capfd.readouterr() == ("", "")


def test_more_pixels_than_opencv_reads(tmp_path):
    content = png(8, 0, b"\0" * 100, size=(40_000, 40_000))
    assert "more pixels" in refusal(tmp_path / "large.png", content)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a", None], dtype=object),
        np.ones(3, np.complex64),
        np.array(["2026-01-01"], "datetime64[D]"),
        np.array(["text"]),
        np.zeros(3, [("a", "i4"), ("b", "f4")]),
    ],
)
def test_npy_that_holds_no_real_numbers(tmp_path, array):
    np.save(tmp_path / "image.npy", array)
    refusal(tmp_path / "image.npy")


def test_npz_by_another_name(tmp_path):
    np.savez(tmp_path / "image.npz", picture())
    os.replace(tmp_path / "image.npz", tmp_path / "image.npy")
    refusal(tmp_path / "image.npy")


@pytest.mark.parametrize("name", ["image", "image.gif", "image.npz", ".npy", "npy"])
def test_unknown_suffix(tmp_path, name):
    assert ".png" in refusal(tmp_path / name)


@pytest.mark.parametrize("suffix", raster.FORMATS)
def test_missing_file_and_folder(tmp_path, suffix):
    with pytest.raises(FileNotFoundError):
        raster.read_image(tmp_path / f"none{suffix}")
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        raster.read_image(folder)


@pytest.mark.parametrize("suffix", raster.FORMATS)
@pytest.mark.parametrize("dtype", EVERY_DTYPE)
def test_dtypes_that_a_format_cannot_hold(suffix, dtype):
    form = raster.FORMATS[suffix]
    if dtype in form.dtypes:
        raster.check_image(f"image{suffix}", (4, 5), dtype)
    else:
        with pytest.raises(ValueError, match=f"cannot write {dtype} .*use .npy or .tif"):
            raster.check_image(f"image{suffix}", (4, 5), dtype)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".pgm"])
@pytest.mark.parametrize("shape", [(), (7,), (0, 5), (4, 5, 3), (1, 4, 5)])
def test_shapes_that_opencv_formats_cannot_hold(suffix, shape):
    with pytest.raises(ValueError, match="cannot write shape"):
        raster.check_image(f"image{suffix}", shape, "uint8")


@pytest.mark.parametrize("shape", [(), (7,), (0, 5)])
def test_shapes_that_tiff_cannot_hold(shape):
    with pytest.raises(ValueError, match="cannot write shape"):
        raster.check_image("image.tif", shape, "uint8")


def test_labels_are_not_written_lossily():
    raster.check_image("image.jpg", (4, 5), "uint8")
    with pytest.raises(ValueError, match="JPEG is lossy"):
        raster.check_image("image.jpg", (4, 5), "uint8", exact=True)


def test_side_too_long_for_jpeg(tmp_path, capfd):
    with pytest.raises(ValueError, match="cannot write"):
        raster.write_images({tmp_path / "long.jpg": np.zeros((2, 70_000), np.uint8)})
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_all_files_are_written_or_none(tmp_path):
    kept = tmp_path / "kept.npy"
    kept.write_bytes(b"old")
    with pytest.raises(ValueError, match="cannot write"):
        raster.write_images({kept: picture(), tmp_path / "x.jpg": np.zeros((1, 70_000), np.uint8)})
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_bytes() == b"old"


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(NpyWriter, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        raster.write_images({tmp_path / "a.png": picture(), tmp_path / "b.npy": picture()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_permissions(tmp_path):
    old = tmp_path / "old.npy"
    old.touch()
    old.chmod(0o604)
    contents = {
        old: picture(),
        tmp_path / "new.npy": picture(),
        tmp_path / "new.json": Codebook([1]),
    }
    umask = os.umask(0o027)
    try:
        raster.write_images(contents)
    finally:
        os.umask(umask)
    assert [path.stat().st_mode & 0o777 for path in contents] == [0o604, 0o640, 0o640]


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege on Windows")
def test_symbolic_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.npy"
    link.symlink_to(tmp_path / "real" / "image.npy")
    raster.write_images({link: picture()})
    assert link.is_symlink()
    assert os.listdir(tmp_path / "real") == ["image.npy"]
    with pytest.raises(ValueError, match="same file"):
        raster.check_targets(link, tmp_path / "real" / "image.npy")


@pytest.mark.parametrize("name", ["x" * 251 + ".npy", "é" * 125 + ".npy"])
def test_long_names(tmp_path, name):
    raster.write_images({tmp_path / name: picture()})
    assert os.listdir(tmp_path) == [name]


def test_targets_that_cannot_be_created(tmp_path):
    raster.check_targets(tmp_path / "a.npy", tmp_path / "b.npy")
    with pytest.raises(ValueError, match="same file"):
        raster.check_targets(tmp_path / "a.npy", tmp_path / "." / "a.npy")
    with pytest.raises(IsADirectoryError):
        raster.check_targets(tmp_path)
    with pytest.raises(FileNotFoundError, match="folder"):
        raster.check_targets(tmp_path / "none" / "a.npy")
    if sys.platform != "win32":
        with pytest.raises(ValueError, match="not a regular file"):
            raster.check_targets(Path(os.devnull))


@pytest.mark.parametrize(
    ("suffix", "package", "extra"), [(".png", "cv2", "opencv"), (".tif", "tifffile", "cli")]
)
def test_missing_package(tmp_path, monkeypatch, suffix, package, extra):
    path = tmp_path / f"image{suffix}"
    raster.write_images({path: picture()})
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs {package} .*pip install 'levelsnap\[{extra}\]'"
    with pytest.raises(ImportError, match=message):
        raster.check_image(path, (4, 5), "uint8")
    if suffix == ".tif":  # OpenCV reads it
        np.testing.assert_array_equal(raster.read_image(path), picture())
        monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=message):
        raster.read_image(path)


def test_stack_without_tifffile(tmp_path, monkeypatch):
    raster.write_images({tmp_path / "stack.tif": picture("uint16", (3, 8, 9))})
    monkeypatch.setitem(sys.modules, "tifffile", None)
    read = raster.read_image(tmp_path / "stack.tif")
    np.testing.assert_array_equal(read, picture("uint16", (3, 8, 9)))


def test_tiff_of_pages_written_one_by_one(tmp_path):
    stack = np.arange(24, dtype=np.uint16).reshape(3, 2, 4)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in stack:
            file.write(page)
    image = raster.read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image, stack, strict=True)
