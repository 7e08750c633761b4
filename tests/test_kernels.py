"""Every kernel, forced: instruction set x method x dtype, against the definition of a label.

A label is the number of thresholds below the element, so that `np.searchsorted` in the image's own
dtype is exact, and quick enough for bulk; tests/reference.py checks the thresholds.
"""

import ctypes
import functools
import mmap
import os
import platform
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from processes import environment
from strategies import CENTERS, INTEGERS, NATIVE, beside, values

import levelsnap as ls
from levelsnap import codebook, tables
from levelsnap._nearest import BEST_ISA, has_packed, node_size, register_depth
from levelsnap._nearest import nearest as run_kernel
from levelsnap.dtypes import cast, element_type
from levelsnap.tables import Isa, Method

ISAS = [isa for isa in Isa if isa <= BEST_ISA]

KS = [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257]
KS += [511, 512, 513, 1000, 1025, 65_535, 65_536, 65_537]

LENGTHS = range(131)
EDGES = [n + step for n in (256, 512, 1024, 4096, 65_536) for step in (-1, 0, 1)]


def exists(isa, method, dtype, k):
    """Whether there is such a kernel; else its place is taken by the plain search."""
    if method == Method.PATTERNS:
        return dtype.itemsize <= 2
    if method == Method.REGISTERS:
        return 1 <= (k - 1).bit_length() <= register_depth(isa, element_type(dtype))
    if method == Method.COUNT:
        return k <= 128
    if method == Method.NODES:
        return node_size(isa, element_type(dtype)) > 0 and k >= 2
    if method == Method.GRID:
        return dtype.itemsize >= 4 and 2 <= k <= 65_536
    if method == Method.PACKED:
        return has_packed(isa, element_type(dtype)) and 2 <= k <= 65_536
    return True


def kernels(ks):
    """All kernels with the K that each of them serves."""
    return [
        pytest.param((isa, method, dtype), k, id=f"{isa.name}-{method.name}-{dtype}-K={k}")
        for dtype in NATIVE  # outermost, for the cache of case_of
        for k in ks
        for method in Method
        for isa in ISAS
        if exists(isa, method, dtype, k)
    ]


def each_kernel(params):
    return pytest.mark.parametrize(("kernel", "k"), params, indirect=["kernel"])


# One K is enough for what depends on lengths and addresses, but for trees: one step, few, many, and
# more than registers hold.
SOME_KERNELS = [
    param
    for param in kernels([2, 21, 100, 700])
    if param.values[0][1] in (Method.REGISTERS, Method.NODES) or param.values[1] == 21
]


@pytest.fixture
def kernel(request, monkeypatch):
    """Forces an instruction set and a method on codebooks made from now on."""
    isa, method, _ = request.param
    monkeypatch.setattr(tables, "ISA", isa)
    monkeypatch.setattr(codebook, "choose_method", lambda dtype, k, size: method)
    monkeypatch.setattr(tables, "MAX_CROWDED", 1)
    return request.param


# Levels and images


def _random(k, dtype):
    return np.random.default_rng(k).uniform(*_range(dtype), k)


def _logarithmic(k, dtype):
    return np.geomspace(1e-4, 1e8, k)


def _two_groups(k, dtype):
    low, high = _range(dtype)
    i = np.arange(k)
    return np.where(i % 2, low, high) / 2 + i * max(_step(dtype), np.spacing(high))


def _clumps(k, dtype):
    """Of 32 each; every second one such that its last midpoint is also in the last fine cell."""
    i = np.arange(k)
    lows = np.random.default_rng(k).uniform(*_range(dtype), k)[i // 32]
    steps = np.where(i // 32 % 2, 17, 1) * max(_step(dtype), np.spacing(_range(dtype)[1]))
    return lows + i % 32 * steps


def _outlier(k, dtype):
    return np.append(np.random.default_rng(k).uniform(0, 64, k - 1), _range(dtype)[1])


def _adjacent(k, dtype):
    low = _range(dtype)[1] / 4
    return low + np.arange(k) * max(_step(dtype), 2 * np.spacing(low))


def _closer_than_elements(k, dtype):
    return 64 + np.arange(k) * max(_step(dtype) / 8, np.spacing(64.0))


def _around_zero(k, dtype):
    tiny = float(np.finfo(dtype).smallest_subnormal) if dtype.kind == "f" else 1.0
    return (np.arange(k) - k // 2) * tiny


def _range(dtype):
    return (-1024.0, 1024.0) if dtype.kind == "f" else tuple(map(float, reference.limits(dtype)))


def _step(dtype):
    """From an element of about 256 to the next."""
    return float(np.spacing(dtype.type(256))) if dtype.kind == "f" else 1.0


FAMILIES = {
    "random": _random,
    "12 decades": _logarithmic,
    "two groups": _two_groups,
    "clumps": _clumps,
    "outlier": _outlier,
    "adjacent": _adjacent,
    "closer than elements": _closer_than_elements,
    "around zero": _around_zero,
}


@functools.cache
def centers_of(family, k, dtype):
    centers = np.unique(FAMILIES[family](k, dtype))
    assert len(centers) == k
    return centers


def checked_thresholds(centers, dtype):
    """The thresholds, many of them compared with the oracle."""
    thresholds = ls.thresholds(centers, dtype)
    first = len(centers) - 1 - len(thresholds)
    for i in np.unique(np.linspace(0, len(centers) - 1, 40).astype(int))[:-1]:
        exact = reference.thresholds(centers[i : i + 2], dtype)
        found = thresholds[max(i - first, 0) : max(i - first + 1, 0)]
        assert_array_equal(found, exact, strict=True)
    return thresholds


def near(thresholds, rng):
    """Elements on thresholds and one step beside them, among those that are awkward anyway."""
    dtype = thresholds.dtype
    if len(thresholds) > 1000:
        thresholds = rng.choice(thresholds, 1000)
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            sides = [np.nextafter(thresholds, dtype.type(end)) for end in (-np.inf, np.inf)]
    else:
        low, high = reference.limits(dtype)
        sides = [
            np.array([min(max(t + step, low), high) for t in thresholds.tolist()], dtype)
            for step in (-1, 1)
        ]
    pool = np.concatenate([thresholds, *sides, values(dtype)])
    return rng.permutation(np.resize(pool, max(len(pool), 200)))


def add_nans(image, rng):
    """NaN in the second half: quiet and signalling, of either sign and any payload."""
    bits = image.view(f"u{image.itemsize}")[len(image) // 2 :: 13]
    infinity = int(np.array(np.inf, image.dtype).view(bits.dtype))
    sign = 1 << (8 * image.itemsize - 1)
    payload = rng.integers(1, sign - infinity, len(bits)).astype(bits.dtype)
    signs = rng.integers(2, size=len(bits)).astype(bits.dtype) * bits.dtype.type(sign)
    bits[...] = payload | bits.dtype.type(infinity) | signs


class Book(ls.Codebook):
    """A codebook without tables, but with its thresholds: they take longest to make."""

    def __init__(self, case):
        super().__init__(case.centers)
        self.case = case

    def thresholds(self, dtype):
        assert dtype == self.case.thresholds.dtype
        return self.case.thresholds


class Case:
    """An image, and the right answers for it."""

    def __init__(self, family, k, dtype):
        rng = np.random.default_rng(k)
        self.centers = centers_of(family, k, dtype)
        self.thresholds = thresholds = checked_thresholds(self.centers, dtype)
        self.image = near(thresholds, rng)
        if dtype.kind == "f":
            add_nans(self.image, rng)
        self.nans = self.image != self.image
        self.indices = k - 1 - len(thresholds) + np.searchsorted(thresholds, self.image)
        self.indices[self.nans] = 0
        self.found = {}

    def without_nans(self):
        return slice(len(self.image) // 2)

    def nan_label(self, dtype):
        """Not what a kernel gives by chance, if the dtype can hold such a label."""
        return min(len(self.centers) + 3, np.iinfo(dtype).max)

    def labels(self, dtype):
        if ("labels", dtype) not in self.found:
            labels = self.indices.astype(dtype)
            labels[self.nans] = self.nan_label(dtype)
            self.found["labels", dtype] = labels
        return self.found["labels", dtype]

    def snapped(self, dtype):
        if ("snapped", dtype) not in self.found:
            snapped = cast(self.centers, dtype)[self.indices]
            if dtype == self.image.dtype:
                snapped[self.nans] = self.image[self.nans]
            elif dtype.kind == "f":
                snapped[self.nans] = np.nan
            self.found["snapped", dtype] = snapped
        return self.found["snapped", dtype]


@functools.lru_cache(maxsize=32)
def case_of(family, k, dtype):
    return Case(family, k, dtype)


# A call, compared to the last bit


class Place:
    """Memory for an array at any alignment, with margins that nobody may write to."""

    MARGIN = b"\xa5" * 64

    def __init__(self):
        memory = np.empty(8 * (EDGES[-1] + 32), np.uint8)
        self.memory = memory[-memory.ctypes.data % 64 :]

    def array(self, n, dtype, offset):
        self.before = self.MARGIN + self.MARGIN[:offset]
        self.stop = len(self.before) + n * dtype.itemsize
        self.end = self.stop + len(self.MARGIN)
        self.memory[: self.end] = self.MARGIN[0]
        return self.memory[len(self.before) : self.stop].view(dtype)

    def holds(self, right):
        return self.memory[: self.end].tobytes() == self.before + right.tobytes() + self.MARGIN

    def explain(self, right, what):
        found = self.memory[len(self.before) : self.stop]
        assert_array_equal(found.view(right.dtype), right, err_msg=what)
        assert_array_equal(found, right.view(np.uint8), err_msg=f"bytes: {what}")
        pytest.fail(f"written to beside the array: {what}")


IMAGE, LABELS, SNAPPED = Place(), Place(), Place()


def check(
    book,
    case,
    label_dtype,
    dtype,
    part=slice(None),
    offsets=(0, 0, 0),
    in_place=False,
    stream=False,
):
    """Labels and snapped values (dtype None: not asked for) of a part of the case's image.

    `offsets`: of image, labels and values from a multiple of 64 bytes; `in_place`: the values go
    where the image is.
    """
    image = case.image[part]
    x = IMAGE.array(len(image), image.dtype, offsets[0])
    x[...] = image
    right = {IMAGE: image}
    labels, snapped, nan = None, None, 0
    if label_dtype is not None:
        labels = LABELS.array(len(image), label_dtype, offsets[1])
        right[LABELS] = case.labels(label_dtype)[part]
        nan = case.nan_label(label_dtype)
    if dtype is not None:
        snapped = x if in_place else SNAPPED.array(len(image), dtype, offsets[2])
        right[IMAGE if in_place else SNAPPED] = case.snapped(dtype)[part]
    call(book, x, labels, snapped, nan, stream)
    for place, content in right.items():
        if not place.holds(content):
            asked = f"{label_dtype=} {dtype=} {in_place=} {stream=}"
            place.explain(content, f"{asked} {offsets=} {part=} of {case.image.dtype}")


def call(book, image, labels, snapped, nan, stream=False):
    """One kernel's work, without the checks around it that would take most of these tests' time."""
    label_dtype = np.min_scalar_type(book.k - 1) if labels is None else labels.dtype
    value_dtype = None if snapped is None else snapped.dtype
    table = book._table(image.dtype, label_dtype, value_dtype, image.size)
    run_kernel(table, image, False, None, labels, False, snapped, False, nan, False, stream, 1)


def holders(k):
    """The label dtypes that hold K - 1."""
    return [dtype for dtype in INTEGERS if np.iinfo(dtype).max >= k - 1]


# Every K, every pair of dtypes


@each_kernel(kernels(KS))
def test_any_k(kernel, k):
    dtype, label_dtypes = kernel[-1], holders(k)
    some = k not in (33, 1000) and (k, dtype.itemsize) != (65_536, 4)
    for i, family in enumerate(FAMILIES, KS.index(k)):
        if some and i % 4:
            continue
        case = case_of(family, k, dtype)
        book = Book(case)
        label_dtype = label_dtypes[i % len(label_dtypes)]
        value_dtype = NATIVE[i % len(NATIVE)] if i % 8 else dtype
        part = slice(None) if value_dtype.kind == "f" else case.without_nans()
        check(book, case, label_dtype, None)
        check(book, case, label_dtype, value_dtype, part)


@each_kernel(SOME_KERNELS)
def test_any_label_and_value_dtype(kernel, k):
    case = case_of("random", k, kernel[-1])
    book = Book(case)
    for dtype in [None, *NATIVE]:
        part = slice(None) if dtype is None or dtype.kind == "f" else case.without_nans()
        for label_dtype in [None, *holders(k)]:
            if label_dtype is not None or dtype is not None:
                check(book, case, label_dtype, dtype, part)


@functools.cache
def awkward(name, dtype):
    """An image for centers of the gallery, and its labels by the oracle."""
    image = np.concatenate([values(dtype), beside(CENTERS[name], dtype)])
    return image, reference.labels(image, CENTERS[name])


@each_kernel(kernels(sorted({len(centers) for centers in CENTERS.values()})))
def test_awkward_centers(kernel, k):
    for name, centers in CENTERS.items():
        if len(centers) == k:
            image, labels = awkward(name, kernel[-1])
            assert_array_equal(ls.labels(image, centers), labels, err_msg=name)


def test_levels_need_every_kind_of_grid():
    kinds = set()
    for family in FAMILIES:
        grid = tables.make_grid(case_of(family, 1000, np.dtype("f4")).thresholds)
        kinds.add((grid.scale > 0, grid.fine is not None))
    assert len(kinds) == 4


def test_levels_need_every_kind_of_packed_grid():
    kinds = set()
    for family in FAMILIES:
        for dtype in map(np.dtype, ("i4", "f4")):
            thresholds = case_of(family, 1000, dtype).thresholds
            grid, crowded = tables.make_packed(thresholds, 0)
            if grid.scale > 0:
                kinds.add(("linear", grid.low > thresholds[0]))
            else:
                kinds.add(("keyed", grid.low_key > tables.ordered_keys(thresholds)[0]))
                kinds.add("left" if grid.left else "right" if grid.shift else "straight")
            kinds.add("crowded" if crowded > tables.MAX_CROWDED else "spread")
    assert len(kinds) == 8, kinds


# Every length, every alignment


SIZES = [np.dtype(f"u{size}") for size in (1, 2, 4, 8)]


@each_kernel(SOME_KERNELS)
def test_any_length(kernel, k):
    dtype, rng = kernel[-1], np.random.default_rng(k)
    case = case_of("random", k, dtype)
    book = Book(case)
    label_dtypes = [d for d in SIZES if d in holders(k)]
    asks = [(label_dtype, None) for label_dtype in label_dtypes] + [(None, dtype)]
    for n in LENGTHS:
        start = rng.integers(len(case.image) - n)
        part = slice(start, start + n)
        both = label_dtypes[n % len(label_dtypes)], dtype
        for stream in (False, True):
            for ask in [*asks, both]:
                check(book, case, *ask, part, rng.integers(64, size=3), stream=stream)
        for ask in [asks[-1], both]:
            check(book, case, *ask, part, rng.integers(64, size=3), in_place=True)


@each_kernel(SOME_KERNELS)
def test_any_alignment(kernel, k):
    case = case_of("random", k, kernel[-1])
    book = Book(case)
    for offset in range(64):
        for offsets in ((offset, 0, 0), (0, offset, 0), (0, 0, offset)):
            for stream in (False, True):
                part = slice(offset, None)
                check(book, case, holders(k)[0], kernel[-1], part, offsets, stream=stream)
                check(book, case, holders(k)[0], None, part, offsets, stream=stream)


@each_kernel(SOME_KERNELS)
def test_ends_of_blocks(kernel, k):
    case = case_of("random", k, kernel[-1])
    book = Book(case)
    label_dtype = holders(k)[-1]
    for n in EDGES:
        part = np.arange(n) % len(case.image)
        check(book, case, label_dtype, None, part, (0, 16, 16), stream=n % 4 > 0)
        check(book, case, label_dtype, kernel[-1], part, (16, 0, 16), stream=n % 4 > 0)
        check(book, case, None, kernel[-1], part, in_place=True)


@each_kernel(SOME_KERNELS)
def test_labels_in_place(kernel, k):
    """By the public functions, which may have to see to it."""
    case = case_of("random", k, kernel[-1])
    label_dtype = np.dtype(f"u{kernel[-1].itemsize}")
    nan, right = case.nan_label(label_dtype), case.labels(label_dtype)
    image = case.image.copy()
    ls.labels(image, case.centers, out=image.view(label_dtype), nan=nan)
    assert_array_equal(image.view(label_dtype), right)
    image, snapped = case.image.copy(), np.empty_like(case.image)
    outs = image.view(label_dtype), snapped
    ls.labels_and_snap(image, case.centers, out=outs, nan=nan)
    assert_array_equal(image.view(label_dtype), right)
    assert_array_equal(snapped, case.snapped(kernel[-1]))


# Other layouts


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "transposed": lambda array: array.T,
    "backwards": lambda array: array[::-1, ::-1],
    "every second": lambda array: array[:, ::2],
    "crop": lambda array: array[1:-1, 5:-3],
    "short rows": lambda array: array[:, 3:20],
    "swapped": lambda array: array.astype(array.dtype.newbyteorder("S")),
    "repeated": lambda array: np.broadcast_to(array[0], array.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@each_kernel(kernels([21]))
def test_layouts(kernel, k, layout):
    case = case_of("random", k, kernel[-1])
    at = np.resize(np.arange(len(case.image)), (7, 300))
    image = LAYOUTS[layout](case.image[at])
    at = LAYOUTS[layout](at).astype(np.intp)
    outs = [np.zeros(at.shape, np.uint8).T.copy().T, np.zeros((2, *at.shape), kernel[-1])[1]]
    ls.labels_and_snap(image, case.centers, out=outs, nan=case.nan_label(np.uint8), threads=1)
    assert_array_equal(outs[0], case.labels(outs[0].dtype)[at])
    assert_array_equal(outs[1], case.snapped(outs[1].dtype)[at])


# Not one byte outside


class Guarded:
    """Memory between two pages that nobody may touch."""

    SIZE = 1 << 16

    def __init__(self):
        memory = mmap.mmap(-1, self.SIZE + 2 * mmap.PAGESIZE)
        first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        page_size, no_access = ctypes.c_size_t(mmap.PAGESIZE), 0
        for page in (first, first + mmap.PAGESIZE + self.SIZE):
            if ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), page_size, no_access):
                raise OSError("mprotect failed")
        self.memory = np.frombuffer(memory, np.uint8, self.SIZE, mmap.PAGESIZE)

    def array(self, n, dtype, at_end):
        nbytes = n * dtype.itemsize
        start = self.SIZE - nbytes if at_end else 0
        return self.memory[start : start + nbytes].view(dtype)


def walk_along_guards(isa):
    """Calls every kernel on arrays that begin or end at a page that nobody may touch.

    Ends the process when a kernel touches one; the last line says which.
    """
    tables.ISA = isa
    places = Guarded(), Guarded(), Guarded()
    for param in SOME_KERNELS:
        (its_isa, method, dtype), k = param.values
        if its_isa != isa:
            continue
        codebook.choose_method = lambda *args, method=method: method
        tables.MAX_CROWDED = 1
        case = case_of("random", k, dtype)
        book = Book(case)
        label_dtypes = [d for d in SIZES if d in holders(k)]
        for n in [*LENGTHS, *EDGES[:12]]:
            for at_end in (False, True):
                print(f"{param.id} {n=} {at_end=}", flush=True)
                image, snapped = (place.array(n, dtype, at_end) for place in places[:2])
                image[...] = np.resize(case.image, n)
                for i, label_dtype in enumerate(label_dtypes, n):
                    labels = places[2].array(n, label_dtype, at_end)
                    call(book, image, labels, None, 0, stream=i % 2 == 0)
                call(book, image[::-2], labels[::2], snapped[::-2], 0)
                call(book, image, labels, snapped, 0, stream=n % 2 == 0)
                call(book, image, None, snapped, 0, stream=n % 2 == 1)
                call(book, image, None, image, 0)


def python(code, **changes):
    """Runs code in a new process that finds what this one finds."""
    run = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(run, env=environment(**changes), capture_output=True, text=True)


needs_mprotect = pytest.mark.skipif(os.name != "posix", reason="no mprotect here")


@needs_mprotect
@pytest.mark.parametrize("at", ["[-1] = 0", "[size] = 0", "[-1]", "[size]"])
def test_guards_catch_one_byte(at):
    code = f"""
import ctypes, numpy, test_kernels
memory = test_kernels.Guarded().memory
size, pointer = memory.size, ctypes.cast(memory.ctypes.data, ctypes.POINTER(ctypes.c_uint8))
pointer[0] = pointer[size - 1] = 0
print("so far", flush=True)
pointer{at}
"""
    run = python(code)
    assert run.returncode < 0
    assert run.stdout == "so far\n"


@needs_mprotect
@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_no_byte_outside_is_touched(isa):
    run = python(f"import test_kernels as t; t.walk_along_guards(t.Isa({isa:d}))")
    assert run.returncode == 0, run.stdout[-100:] + run.stderr


# Choice of the instruction set


REPORT = """
import zlib
import numpy as np
import levelsnap as ls
from levelsnap import tables
print(tables.ISA.name)
for name in ("u1", "u2", "f4", "f8"):
    image = np.resize(np.arange(256) * 1.01, 70_000).astype(name)
    for k in (5, 50, 250):
        print(name, k, zlib.crc32(ls.labels(image, np.arange(k) * (256 / k) + 0.3)))
"""


@pytest.fixture
def other_floats():
    """A floating-point environment in which subnormals are 0, and another way of rounding."""
    libm = ctypes.CDLL(None) if sys.platform == "linux" else None
    if platform.machine() != "x86_64" or not hasattr(libm, "fesetenv"):
        pytest.skip("how its environment is laid out is known for x86-64 Linux alone")
    before, other = (ctypes.create_string_buffer(32) for _ in range(2))
    libm.fegetenv(before)
    libm.fegetenv(other)
    # MXCSR comes last: DAZ, FTZ, and rounding upward.
    control = int.from_bytes(other.raw[28:], "little") | 0x8040 | 0x4000
    other[28:32] = control.to_bytes(4, "little")

    @contextmanager
    def environment():
        libm.fesetenv(other)
        try:
            yield
        finally:
            libm.fesetenv(before)

    return environment


@pytest.mark.parametrize("k", [2, 30, 60, 1000, 60_000])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("isa", ISAS)
def test_labels_in_another_floating_point_environment(isa, dtype, k, other_floats, monkeypatch):
    """As that which -ffast-math makes of a thread that loads a library."""
    monkeypatch.setattr(tables, "ISA", isa)
    tiny = float(np.finfo(dtype).smallest_subnormal)
    scale = tiny if k == 2 else 1.0
    book = ls.Codebook(np.arange(k) * scale * 3)
    thresholds = book.thresholds(np.dtype(dtype))
    image = np.resize(beside(thresholds, np.dtype(dtype)), 600_000)
    exact = book.labels(image, threads=1)
    with other_floats():
        labels = [book.labels(image, threads=threads) for threads in (1, 2)]
        few = book.labels(image[:100])
    for found in labels:
        assert_array_equal(found, exact)
    assert_array_equal(few, exact[:100])


def test_forced_isa_changes_no_label():
    reports = {isa.name: python(REPORT, LEVELSNAP_ISA=isa.name.lower()) for isa in ISAS}
    results = set()
    for name, report in reports.items():
        assert report.returncode == 0, report.stderr
        used, *labels = report.stdout.splitlines()
        assert used == name
        results.add(tuple(labels))
    assert len(results) == 1


def test_best_isa_is_the_default():
    assert python(REPORT, LEVELSNAP_ISA="").stdout.split()[0] == Isa(BEST_ISA).name


def import_error(code, **environment):
    """The last line that an import leaves behind."""
    run = python(code, **environment)
    assert run.returncode == 1
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["sse9", "AVX2", "2", " "])
def test_unknown_isa(name):
    error = import_error("import levelsnap", LEVELSNAP_ISA=name)
    assert error == f"ImportError: LEVELSNAP_ISA={name!r}: accepted are baseline, avx2, avx512"


def test_isa_that_the_machine_lacks():
    code = """
import importlib, os
from levelsnap import _nearest, tables
_nearest.BEST_ISA = 1
os.environ["LEVELSNAP_ISA"] = "avx512"
importlib.reload(tables)
"""
    error = import_error(code, LEVELSNAP_ISA="")
    assert error == "ImportError: LEVELSNAP_ISA='avx512': this machine has baseline, avx2"
