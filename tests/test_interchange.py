"""A codebook in other programs' terms: each gives what `labels` and `snap` give."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
import reference
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import CENTERS

import levelsnap as ls

finite = st.floats(allow_nan=False, allow_infinity=False)
SPREADS = {
    **CENTERS,
    "ties": [0.0, 1.0, 2.0, 3.0],
    "neighbours": [1.0, np.nextafter(1.0, 2.0), np.nextafter(1.0, 3.0) + 2.0**-52],
    "ends": [-np.finfo(float).max, 0.0, np.finfo(float).max],
    "subnormal": [0.0, 5e-324, 1e-323],
}


def around(codebook):
    """Values at, and just beside, all that matters to a codebook."""
    centers = codebook.centers
    with np.errstate(over="ignore"):
        middles = centers[:-1] / 2 + centers[1:] / 2
        exact = np.concatenate([centers, middles, codebook.thresholds("float64"), [0.0, np.inf]])
        steps = [np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)]
    return np.unique(np.concatenate([exact, *steps, [-np.inf]]))


# GDAL: an interval is "(" or "[", two numbers, ")" or "]"; or one number stands for itself.
ENTRY = re.compile(r"(?:([\[(])([^,]+),([^\])]+)([\])])|(\w+)|([-+.\w]+))=(.+)")


def reclassify(mapping, x):
    """What ``gdal raster reclassify`` makes of a value, in at most one of its intervals."""
    found = []
    for entry in mapping.split(";"):
        open_, low, high, close, word, number, result = ENTRY.fullmatch(entry).groups()
        if word == "NAN":
            hit = math.isnan(x)
        elif open_ is None:
            hit = x == float(number or word)
        else:
            assert float(low) <= float(high)
            hit = (x > float(low) or (open_ == "[" and x == float(low))) and (
                x < float(high) or (close == "]" and x == float(high))
            )
        if hit:
            found.append(result)
    assert len(found) <= 1, f"{x} lies in several intervals of {mapping}"
    return float(found[0]) if found else None


@pytest.mark.parametrize("centers", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("encode", ["labels", "values"])
def test_gdal_mapping(centers, encode):
    codebook = ls.Codebook(centers)
    mapping = codebook.to_gdal_mapping(encode=encode)
    entries = mapping.split(";")
    assert len(entries) == codebook.k
    image = around(codebook)
    if codebook.k > 500:
        image = image[:: len(image) // 100]
    expected = codebook.labels(image)
    if encode == "values":
        expected = codebook.centers[expected]
    for x, value in zip(image.tolist(), expected.tolist(), strict=True):
        near = entries if codebook.k < 500 else [e for e in entries if hits(e, x)]
        assert reclassify(";".join(near), x) == value
    assert reclassify(entries[0], math.nan) is None


def hits(entry, x):
    low, high = map(float, re.findall(r"[-+.\w]+", entry)[:2])
    return low <= x <= high


@given(
    st.lists(finite, min_size=1, max_size=6, unique=True),
    st.lists(st.floats(allow_nan=False), max_size=4),
    st.integers(0, 5),
)
def test_gdal_mapping_with_special_values(centers, values, near):
    codebook = ls.Codebook(centers)
    image = around(codebook)
    values = [*values, *image[near::7].tolist(), -math.inf, math.inf]
    special = {value: 255 for value in values} | {math.nan: 254}
    mapping = codebook.to_gdal_mapping(special=special)
    for x in image.tolist() + values:
        expected = 255 if x in values else reference.label(x, sorted(centers))
        assert reclassify(mapping, x) == expected
    assert reclassify(mapping, math.nan) == 254


def test_gdal_mapping_is_readable():
    codebook = ls.Codebook([0, 1, 2.5])
    assert codebook.to_gdal_mapping() == "[-inf,0.5]=0;(0.5,1.75]=1;(1.75,inf]=2"
    assert codebook.to_gdal_mapping(encode="values", special={-9999: "NO_DATA"}) == (
        "[-9999.0,-9999.0]=NO_DATA;[-inf,-9999.0)=0.0;(-9999.0,0.5]=0.0;(0.5,1.75]=1.0;"
        "(1.75,inf]=2.5"
    )
    with pytest.raises(ValueError, match="encode"):
        codebook.to_gdal_mapping(encode="level")


VRT = """<VRTDataset rasterXSize="{n}" rasterYSize="1">
<VRTRasterBand dataType="Float64" band="1" subClass="VRTDerivedRasterBand">
<PixelFunctionType>reclassify</PixelFunctionType>
<PixelFunctionArguments mapping="{mapping}"/>
<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.filterwarnings("ignore")  # no geotransform
def test_gdal_reclassifies_so(dtype, tmp_path):
    """The pixel function that ``gdal raster reclassify`` runs."""
    rasterio = pytest.importorskip("rasterio", exc_type=ImportError)
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 11):
        pytest.skip("reclassify came with GDAL 3.11")
    for centers in SPREADS.values():
        codebook = ls.Codebook(centers)
        if codebook.k > 250:
            continue
        if dtype[0] == "f":
            with np.errstate(over="ignore"):
                image = np.append(around(codebook), np.nan).astype(dtype)
        else:
            image = np.arange(*reference.limits(dtype), dtype=dtype)[::7]
        profile = {"width": len(image), "height": 1, "count": 1, "dtype": dtype}
        with rasterio.open(tmp_path / "in.tif", "w", driver="GTiff", **profile) as file:
            file.write(image.reshape(1, 1, -1))
        labels = codebook.labels(image, nan=254)
        values = np.append(codebook.centers, np.full(255, 254.0))[labels]
        for expected, special, encode in (
            (labels, {}, "labels"),
            (values, {}, "values"),
            (np.where(image == image[3], 255, labels), {image[3]: 255}, "labels"),
        ):
            mapping = codebook.to_gdal_mapping(encode=encode, special={**special, math.nan: 254})
            text = VRT.format(n=len(image), mapping=mapping, source=tmp_path / "in.tif")
            with rasterio.open(text) as file:
                found = file.read(1)[0]
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("centers", SPREADS.values(), ids=SPREADS)
def test_norm_gives_the_label_s_color(centers):
    pytest.importorskip("matplotlib")
    codebook = ls.Codebook(centers)
    norm, cmap = codebook.to_norm()
    assert cmap.N == codebook.k == len(norm.boundaries) - 1
    image = around(codebook)
    for dtype in "float64", "float32", "float16":
        with np.errstate(over="ignore"):  # matplotlib casts the ends, too
            some = image.astype(dtype)
            found = cmap(norm(some))
        np.testing.assert_array_equal(found, cmap(codebook.labels(some).astype(int)))


def test_colors_of_a_norm():
    colors = pytest.importorskip("matplotlib.colors")
    codebook = ls.Codebook([0, 10, 20])
    image = np.arange(-50, 70, dtype=np.int16)
    norm, cmap = codebook.to_norm(["red", "green", "blue"])
    expected = colors.to_rgba_array(["red", "green", "blue"])[codebook.labels(image)]
    np.testing.assert_array_equal(cmap(norm(image)), expected)
    np.testing.assert_allclose(norm.boundaries, [-5, 5, 15, 25])
    with pytest.raises(ValueError, match="2 colors for 3 levels"):
        codebook.to_norm(["red", "green"])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">u2"])
def test_lookup_table(dtype, centers):
    codebook = ls.Codebook(centers)
    low, high = reference.limits(dtype)
    image = np.arange(low, high + 1).astype(np.dtype(dtype).newbyteorder("="))
    table = codebook.lookup_table(dtype)
    assert table.dtype == image.dtype
    assert len(table) == len(image)
    np.testing.assert_array_equal(table[image], codebook.snap(image))
    table = codebook.lookup_table(dtype, encode="labels")
    np.testing.assert_array_equal(table[image], codebook.labels(image))
    assert table.dtype == codebook.labels(image).dtype


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_opencv_looks_up_so(dtype):
    cv2 = pytest.importorskip("cv2")
    image = np.arange(-128, 128).astype(dtype).reshape(16, 16)
    codebook = ls.Codebook([-50, 1, 2, 77.5])
    np.testing.assert_array_equal(
        cv2.LUT(image, codebook.lookup_table(dtype)), codebook.snap(image)
    )
    table = codebook.lookup_table(dtype, encode="labels")
    np.testing.assert_array_equal(cv2.LUT(image, table), codebook.labels(image))


@pytest.mark.parametrize("dtype", ["int32", "float16", "bool"])
def test_no_table_for_other_dtypes(dtype):
    with pytest.raises(TypeError, match=f"8 or 16 bits, given {dtype}"):
        ls.Codebook([1]).lookup_table(dtype)


def test_cf_attributes():
    attrs = ls.Codebook([-3.5, 0, 1e20, 7]).to_cf_attrs()
    assert attrs["flag_values"].dtype == np.uint8
    assert attrs["flag_values"].tolist() == [0, 1, 2, 3]
    assert attrs["flag_meanings"] == "-3.5 0 7 1e+20"
    assert ls.Codebook([1, 2]).to_cf_attrs(">i2")["flag_values"].dtype == np.int16
    with pytest.raises(ValueError, match="int8 cannot hold"):
        ls.Codebook(range(200)).to_cf_attrs("int8")


def test_cf_meanings_are_words_that_name_their_levels(centers):
    codebook = ls.Codebook(centers)
    words = codebook.to_cf_attrs()["flag_meanings"].split(" ")
    assert all(re.fullmatch(r"[\w.+@-]+", word, re.ASCII) for word in words)
    assert [float(word) for word in words] == codebook.centers.tolist()


@given(finite, finite, st.integers(1, 40))
def test_linear(lo, hi, k):
    lo, hi = min(lo, hi), max(lo, hi)
    assume(lo < hi)
    steps = [Fraction(1, 2)] if k == 1 else [Fraction(i, k - 1) for i in range(k)]
    exact = [(1 - step) * Fraction(lo) + step * Fraction(hi) for step in steps]
    levels = [float(level) for level in exact]
    if len(set(levels)) < k:
        with pytest.raises(ValueError, match="distinct"):
            ls.Codebook.linear(lo, hi, k)
    else:
        assert ls.Codebook.linear(lo, hi, k).centers.tolist() == levels


def test_linear_refuses():
    assert ls.Codebook.linear(0, 255, 256) == ls.Codebook(range(256))
    for lo, hi, k in [(1, 1, 2), (2, 1, 2), (0, math.inf, 2), (math.nan, 1, 2), (0, 1, 0)]:
        with pytest.raises(ValueError, match=r"must be"):
            ls.Codebook.linear(lo, hi, k)
    with pytest.raises(TypeError):
        ls.Codebook.linear(0, 1, 2.0)
