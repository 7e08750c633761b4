"""Input that lies, is huge or makes no sense: a clear error, and nothing crashes."""

import array
import contextlib
import ctypes
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import sysconfig
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from processes import environment

import levelsnap as ls


class Interface:
    def __init__(self, **facts):
        data = np.arange(4.0)
        self.kept = data
        self.__array_interface__ = {**data.__array_interface__, **facts}


@pytest.mark.parametrize(
    "facts",
    [
        {"typestr": "<q9"},
        {"typestr": 7},
        {"shape": (-1,)},
        {"shape": "ab"},
        {"strides": (8, 8)},
        {"shape": (2**62, 2**62)},
        {"version": 2, "data": "x"},
    ],
)
@pytest.mark.parametrize("call", [ls.labels, ls.snap, ls.labels_and_snap])
def test_an_inconsistent_array_interface_is_refused(facts, call):
    with pytest.raises((TypeError, ValueError)):
        call(Interface(**facts), [0, 1])


@pytest.mark.parametrize(
    "centers",
    ["12", {1, 2}, {1: 2}, None, [[1, 2]], [1j], [1, "a"], (c for c in (1, 2)), [object()]],
)
@pytest.mark.parametrize("call", [ls.labels, ls.snap, ls.labels_and_snap])
def test_centers_that_are_no_numbers_are_refused(centers, call):
    with pytest.raises((TypeError, ValueError)):
        call([1.0], centers)


@pytest.mark.parametrize(
    "centers",
    [
        range(2**24 + 1),
        range(10**30),
        range(10**30, 0, -1),
        np.broadcast_to(1.0, 2**31),
        memoryview(np.broadcast_to(1.0, (2, 2**31))),
        np.broadcast_to(np.array(1, object), (2, 2**40)),
    ],
    ids=["range", "endless", "downwards", "broadcast", "memory", "objects"],
)
def test_too_many_centers_are_refused_before_they_are_made(centers):
    with pytest.raises(ValueError, match="at most 16777216 centers, given"):
        ls.Codebook(centers)


@pytest.mark.parametrize("approximate", [1, "no", None, [], np.ones(2, bool)])
def test_approximate_is_a_bool(approximate):
    with pytest.raises(TypeError, match="approximate must be True or False"):
        ls.fit([1, 2, 3], 2, approximate=approximate)


def test_zero_weights_are_named():
    with pytest.raises(ValueError, match="every weight of the histogram is zero"):
        ls.fit(ls.Histogram([1, 2], [0, 0]), 1, weights="counts")


def test_out_that_overlaps_the_centers():
    centers = np.array([1.0, 5.0, 9.0])
    assert ls.snap([2.0, 6.0, 0.0], centers, out=centers).tolist() == [1.0, 5.0, 1.0]
    codebook = ls.Codebook([1.0, 5.0, 9.0])
    with pytest.raises(ValueError, match="read-only"):
        codebook.snap([2.0, 6.0, 0.0], out=codebook.centers)


GOOD = {"format": "levelsnap-codebook", "version": 1, "gap": None, "centers": [1.0, 2.0]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        json.dumps(GOOD).encode()[:-5],
        b"[" * 100_000,
        b'{"format":' * 100_000,
        b"\xff\xfe\x00\x80",
        os.urandom(1000),
        json.dumps(GOOD).replace('"gap"', '"version": 1, "gap"').encode(),
        json.dumps({**GOOD, "centers": [1.0, float("nan")]}).encode(),
        json.dumps({**GOOD, "centers": [1.0, float("inf")]}).encode(),
        json.dumps({**GOOD, "centers": [2.0, 1.0]}).encode(),
        json.dumps({**GOOD, "centers": [1.0, 1.0]}).encode(),
        json.dumps({**GOOD, "centers": []}).encode(),
        json.dumps({**GOOD, "centers": {"0": 1}}).encode(),
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({**GOOD, "version": 10**400}).encode(),
        json.dumps({**GOOD, "gap": "nan"}).encode(),
        json.dumps({**GOOD, "gap": -1}).encode(),
        json.dumps(GOOD).replace("1.0", "1" + "0" * 400).encode(),
        json.dumps(GOOD).replace("1.0", "1" * 5000).encode(),
    ],
    ids=range(19),
)
def test_a_bad_codebook_file_is_named(text, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"bad\.json is not a codebook file: ") as caught:
        ls.Codebook.load(path)
    assert len(str(caught.value)) < 400


def test_a_huge_codebook_file_is_not_read_whole(tmp_path, monkeypatch):
    path = tmp_path / "codebook.json"
    ls.Codebook([1, 2]).save(path)
    monkeypatch.setattr("levelsnap.codebook._MAX_FILE_SIZE", 10)
    with pytest.raises(ValueError, match="larger than 10 bytes"):
        ls.Codebook.load(path)
    with pytest.raises(ValueError, match="at most 10"):
        ls.Codebook([1, 2]).save(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="not a regular file"):
        ls.Codebook.load(tmp_path / "fifo")


def test_a_directory_is_no_codebook(tmp_path):
    with pytest.raises((IsADirectoryError, PermissionError)):
        ls.Codebook.load(tmp_path)


# Buffers. What could end the process runs in one of its own.


class Given:
    """Gives what a function returns as its array."""

    def __init__(self, function):
        self.function = function

    def __array__(self, dtype=None, copy=None):
        return self.function()


class Over:
    """An array interface over a buffer."""

    def __init__(self, buffer, shape, typestr="|u1", **facts):
        facts |= {"version": 3, "shape": shape, "typestr": typestr, "data": buffer}
        self.__array_interface__ = facts


class Moving:
    """A buffer that lies elsewhere each time it is asked for, up to its last place."""

    def __init__(self, *places):
        self.places = list(places)

    def __buffer__(self, flags):
        return memoryview(self.places[0] if len(self.places) == 1 else self.places.pop(0))


class Struct:
    __array_struct__ = 7


def run_alone(code):
    """Run code after the definitions of this file in a process of its own; it must end well."""
    start = "from test_hostile import *\n"
    run = subprocess.run(
        [sys.executable, "-c", start + code], env=environment(), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def refuses(call, *arguments, match=None, **options):
    with pytest.raises((TypeError, ValueError), match=match):
        call(*arguments, **options)


BEYOND = [
    lambda: Over(bytes(3), (400,), "<f8"),
    lambda: Over(bytes(16), (2,), "<f8", strides=(10**12,)),
    lambda: Over(bytes(16), (2,), "<f8", strides=(-8,)),
    lambda: Over(bytes(16), (1,), "<f8", offset=-(10**12)),
    lambda: Over(bytearray(), (1 << 40,)),
]


def refuse_beyond():
    book = ls.Codebook([0, 1])
    calls = [book.labels, book.snap, book.labels_and_snap, book.decode, book.inertia, ls.distinct]
    calls += [ls.histogram, ls.Codebook, ls.choose_k, ls.Histogram([1], [1]).update]
    calls += [lambda x: ls.fit(x, 1), lambda x: ls.Histogram(x, [1])]
    calls += [lambda x: ls.Histogram([1], x), lambda x: ls.labels([1], [1], where=x)]
    for call, beyond in itertools.product(calls, BEYOND):
        refuses(call, beyond(), match="beyond its buffer|centers must be at most")


def test_an_interface_beyond_its_buffer_is_refused():
    run_alone("refuse_beyond()")


def test_an_interface_within_its_buffer_is_taken():
    image = Over(bytes(range(6)), (2, 3), offset=0, strides=(3, 1))
    assert ls.snap(image, [0, 4]).tolist() == [[0, 0, 0], [4, 4, 4]]
    assert ls.distinct(Over(b"", (0,))).tolist() == []


@pytest.mark.parametrize(
    "image",
    [
        Given(lambda: [1, 2]),
        Given(lambda: np.ones(3, complex)),
        Given(lambda: np.array([object()])),
        Struct(),
        Over((0, False), (4,), "<f8"),
        Over(None, (4,), "<f8", offset=10**9),
        np.broadcast_to("a", 2),
        [[1], [1, 2]],
        {1, 2},
        b"12",
        np,
    ],
    ids=range(11),
)
@pytest.mark.parametrize(
    "call", [lambda x: ls.labels(x, [0, 1]), ls.distinct, lambda x: ls.fit(x, 1)]
)
def test_what_gives_no_array_is_refused(image, call):
    refuses(call, image)


def test_what_an_object_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        ls.labels(Given(lambda: 1 / 0), [0, 1])


@pytest.mark.parametrize(
    ("buffer", "grow"),
    [
        (bytearray(1000), lambda b: b.extend(bytes(10**6))),
        (bytearray(1000), lambda b: b.clear()),
        (array.array("B", bytes(1000)), lambda b: b.extend(bytes(10**6))),
    ],
    ids=["grow", "clear", "array"],
)
@pytest.mark.parametrize("given", [lambda b: b, lambda b: Over(b, (1000,)), memoryview])
def test_a_buffer_in_use_is_not_resized(buffer, grow, given):
    def where():
        with pytest.raises(BufferError):
            grow(buffer)
        return np.ones(1000, bool)

    image = given(buffer)
    assert not ls.labels(
        np.asarray(image) if image is buffer else image, [0, 9], where=Given(where)
    ).any()


@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14),
    reason="a bytearray of a free-threaded CPython 3.13 may be resized while it is exported",
)
def test_a_buffer_resized_by_another_thread():
    buffer, stop = bytearray(1000), threading.Event()

    def resize():
        while not stop.is_set():
            with contextlib.suppress(BufferError):
                buffer.extend(bytes(10**5))
            with contextlib.suppress(BufferError):
                del buffer[1000:]

    thread = threading.Thread(target=resize)
    thread.start()
    try:
        for _ in range(300):
            assert not ls.labels(memoryview(buffer), [0, 9]).any()
            assert ls.distinct(Over(buffer, (1000,))).tolist() == [0]
    finally:
        stop.set()
        thread.join()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ came with Python 3.12")
def test_a_buffer_that_moves_before_it_is_held():
    image = Over(Moving(bytearray(1000), bytearray(b"9" * 1000)), (1000,))
    assert ls.distinct(image).tolist() == [ord("9")]


class Number:
    """An index that does something when it is asked for."""

    def __init__(self, function):
        self.function = function

    def __index__(self):
        self.function()
        return 1


def change_meanwhile():
    for call in (ls.labels, ls.snap, ls.labels_and_snap):
        image = np.arange(1000.0)
        threads = Number(lambda image=image: image.resize(10, refcheck=False))
        refuses(call, image, [0, 1], threads=threads, match="differ in shape")
    image = np.arange(1000.0)
    assert len(ls.distinct(image, threads=Number(lambda: image.resize(10, refcheck=False)))) == 10
    image = np.zeros(1000)
    refuses(ls.labels, image, [0], threads=Number(lambda: setattr(image, "shape", (10, 100))))
    out = np.zeros(1000, "u2")
    refuses(
        ls.snap, np.arange(1000), [0], out=out, threads=Number(lambda: setattr(out, "dtype", "u1"))
    )


def test_arrays_that_change_during_a_call():
    run_alone("change_meanwhile()")


# Subclasses


class Liar(np.ndarray):
    shape = property(lambda self: (10**9,))
    dtype = property(lambda self: np.dtype(complex))
    size = property(lambda self: 10**9)
    strides = property(lambda self: (0,))

    def __len__(self):
        return 1

    def view(self, *_):
        return np.zeros(3, complex)

    def refuse(self, *_, **__):
        raise RuntimeError("not to be called")

    __array__ = __array_ufunc__ = __array_function__ = __array_wrap__ = __getitem__ = refuse


def trust_no_subclass():
    image = np.arange(4.0).view(Liar)
    assert ls.labels(image, [0, 1, 2]).tolist() == [0, 1, 2, 2]
    assert ls.fit(image, 2).centers.tolist() == [0.5, 2.5]
    assert ls.Codebook(image).k == 4
    assert ls.histogram(image) == ls.Histogram(np.arange(4.0), [1] * 4)
    assert ls.snap(image, [0, 1, 2], out=image) is image
    assert np.asarray(image).tolist() == [0, 1, 2, 2]


def test_an_array_subclass_is_not_believed():
    run_alone("trust_no_subclass()")


class LyingCodebook(ls.Codebook):
    k = property(lambda self: 10**9)
    centers = property(lambda self: np.zeros(3, complex))


def test_a_codebook_subclass_is_not_believed():
    run_alone("assert LyingCodebook([1, 5]).snap(np.arange(9)).tolist() == [1] * 4 + [5] * 5")


@pytest.mark.parametrize(
    "mask",
    [np.zeros((2, 2), bool), np.zeros(4, "u1"), np.zeros(4), "mask", np.zeros(4, "?,?"), False],
)
def test_a_mask_that_does_not_fit_is_refused(mask):
    image = np.ma.MaskedArray(np.arange(4.0))
    image.__dict__["_mask"] = mask
    for call in (ls.distinct, lambda x: ls.labels(x, [0, 1]), lambda x: ls.fit(x, 1)):
        refuses(call, image, match="the mask has dtype .* needs a boolean one of shape")


def test_a_fill_value_that_no_result_holds():
    image = np.ma.MaskedArray(np.arange(4.0), [1, 0, 0, 0])
    image.__dict__["_fill_value"] = np.array("zz")
    assert ls.labels(image, [0, 2]).tolist() == [None, 0, 1, 1]


# Centers, out, where


@pytest.mark.parametrize(
    "centers",
    [
        np.array([np.arange(3), None], object),
        np.full((2, 2), 1, object),
        np.array(None),
        [[[1.0]]],
        np.array([1, float("nan")], object),
        [10**400],
        np.ma.MaskedArray([1, 2], [0, 1]),
    ],
    ids=range(7),
)
def test_objects_that_are_no_centers(centers):
    refuses(ls.Codebook, centers, match="centers")


def test_centers_that_hold_themselves():
    centers = [1.0]
    centers.append(centers)
    refuses(ls.Codebook, centers)


class Long:
    def __len__(self):
        return 2**31 - 1

    def __getitem__(self, i):
        raise AssertionError("converted")


def test_a_lazy_sequence_of_centers_is_measured_first():
    refuses(ls.Codebook, Long(), match="at most 16777216 centers, given 2147483647")


@pytest.mark.parametrize("strides", [(0, 1), (4, 0), (1, 1), (2, 1)])
def test_an_out_that_overlaps_itself(strides):
    out = np.lib.stride_tricks.as_strided(np.zeros(99, np.uint8), (3, 4), strides)
    image = np.zeros((3, 4), np.uint8)
    refuses(ls.labels, image, [0, 1], out=out, match="overlaps itself: strides")
    refuses(ls.snap, image, [0, 1], out=out, match="overlaps itself: strides")
    pair = (None, out)
    refuses(ls.labels_and_snap, image, [0, 1], out=pair, match="overlaps itself: strides")


@pytest.mark.parametrize("out", [[0], np.uint8(0), "a", np.zeros(1, object), np.zeros(1, complex)])
def test_an_out_of_no_use(out):
    refuses(ls.labels, [1], [1], out=out)
    refuses(ls.snap, [1], [1], out=out)
    refuses(ls.labels_and_snap, [1], [1], out=out, match="pair")


def test_an_out_over_thresholds_centers_or_where():
    centers = np.array([1.0, 5.0, 9.0])
    book = ls.Codebook(centers)
    thresholds = book.thresholds(float)
    assert book.snap([3.0, 7.5], out=thresholds).tolist() == [1, 9]
    assert book.snap([7.5, 2.0, 3.5], out=centers).tolist() == [9, 1, 5]
    assert book.thresholds(float).tolist() == [3, 7]
    assert book.centers.tolist() == [1, 5, 9]
    flags = np.array([1, 0, 1, 1, 0], bool)
    image = np.array([0, 1, 1, 0, 0], bool)
    assert ls.snap(image[:4], [1], where=flags[:4], out=flags[1:]).tolist() == [1, 1, 1, 1]


def test_a_mask_under_out_is_kept_for_the_other_result():
    """Found by tools/fuzz.py."""
    mask = np.array([0, 1, 0, 0], bool)
    image = np.ma.MaskedArray(np.arange(4, dtype=np.uint8), mask)
    labels = mask.view(np.uint8)
    _, snapped = ls.labels_and_snap(image, [0, 2, 3], out=(labels, None))
    assert labels.tolist() == [0, 1, 1, 2]
    assert snapped.tolist() == [0, None, 2, 3]


@pytest.mark.parametrize("where", [[1], "a", None, np.ones((3, 1), bool), [object()], 1.0])
def test_a_where_that_is_none(where):
    for call in (ls.labels, ls.snap, ls.labels_and_snap):
        refuses(call, [1.0], [1], where=where, match="where")
    refuses(ls.distinct, [1.0], where=where, match="where")
    refuses(ls.fit, [1.0], 1, where=where, match="where")


# The other functions


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([2, 1], [1, 1]),
        ([1, 1], [1, 1]),
        ([1, np.nan], [1, 1]),
        ([1, 2], [1, -1]),
        ([1, 2], [1, np.nan]),
        ([1, 2], [1, np.inf]),
        ([1, 2], [1, 2**64]),
        ([1, 2], np.array([1, 2], "g") * np.longdouble("1e308") * 10),
        ([1, 2], [True, False]),
        ([1, 2], "ab"),
        ([1, 2], [1]),
        ([[1, 2]], [1, 2]),
        ([1, 2], [[1, 2]]),
        (1, 1),
        (None, None),
        ([1, 2**70], [1, 1]),
        (np.ma.MaskedArray([1, 2], [0, 1]), [1, 1]),
        ([1, 2], np.ma.MaskedArray([1, 2], [0, 1])),
    ],
    ids=range(18),
)
def test_what_is_no_histogram(values, counts):
    refuses(ls.Histogram, values, counts, match="values|counts")


def test_weights_beyond_float64_are_refused():
    heavy = ls.Histogram([1], [1e308])
    refuses(ls.Histogram.merge, heavy, heavy, match="more than float64 holds")
    many = ls.Histogram([1], np.array([2**64 - 1], np.uint64))
    refuses(many.update, [1], match="more than 64 bits hold")


BOOK = ls.Codebook([1, 2])


@pytest.mark.parametrize(
    ("call", "arguments", "match"),
    [
        (ls.Codebook.linear, (0, 1, 2**31), "at most 16777216 centers, given 2147483648"),
        (BOOK.decode, ([0.5],), "labels have dtype float64"),
        (BOOK.decode, ([-1],), "labels hold -1; accepted are 0 to 1"),
        (BOOK.decode, (np.array([2**64 - 1], "u8"),), "labels hold 18446744073709551615"),
        (BOOK.decode, ("a",), "labels has dtype <U1"),
        (BOOK.decode, ([1], "c16"), "complex128"),
        (BOOK.decode, ([1], "i4,i4"), "i4"),
        (BOOK.inertia, ("a",), "dtype <U1"),
        (BOOK.inertia, ([1], ["distinct"]), "weights must be"),
        (BOOK.thresholds, (complex,), "complex128"),
        (BOOK.thresholds, ("3f4",), "f4"),
        (ls.thresholds, ("ab", float), "centers"),
        (ls.set_num_threads, (None,), "threads must be an integer of at least 1, given None"),
        (ls.set_num_threads, (np.True_,), "threads"),
        (ls.set_num_threads, (-(10**30),), "threads"),
        (ls.choose_k, ([1, 2], 0), "k_max must be at least 1"),
        (ls.choose_k, ([1, 2], 2.0), "k_max must be an integer"),
        (ls.choose_k, ([],), "nothing to fit"),
        (ls.choose_k, ([1, np.inf],), "1 infinite element"),
        (ls.fit, (ls.Codebook, 1), "dtype object"),
        (ls.fit, ([1, 2], 10**30), "more than the 2 distinct values"),
        (ls.fit, ([1, 2], "1"), "k must be an integer"),
        (ls.Histogram.merge, (np.arange(3),), "given ndarray"),
        (ls.Codebook.load, (None,), "NoneType"),
    ],
)
def test_arguments_that_make_no_sense(call, arguments, match):
    refuses(call, *arguments, match=match)


CHOICES = np.array(["optimal", "bic"])


@pytest.mark.parametrize(
    "options",
    [
        {"method": CHOICES},
        {"method": ["optimal"]},
        {"weights": CHOICES},
        {"eps": 10**400},
        {"eps": np.zeros(2)},
        {"eps": "a"},
        {"max_iter": 0},
        {"max_distinct": 1e6},
        {"seed": -1},
        {"attempts": None},
        {"progress": 7},
        {"threads": "2"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_of_fit_that_make_no_sense(options):
    (name,) = options
    refuses(ls.fit, [1, 2], 1, **options, match=f"{name} must be")


def test_a_criterion_that_is_an_array():
    refuses(ls.choose_k, [1, 2], criterion=CHOICES, match="criterion must be one of")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_iter": 2**31}, "max_iter must be below"),
        ({"max_tries": 2**31}, "attempts must be below"),
        ({"K": 3}, "more than the 2 distinct values as float32"),
        ({"arr": [1, np.nan]}, "1 NaN"),
        ({"arr": [1, 1e39]}, "beyond the range of float32"),
        ({"arr": "ab"}, "dtype"),
        ({"arr": []}, "nothing to fit"),
        ({"eps": -1}, "eps must be"),
    ],
)
def test_unique_quantize_refuses(options, match):
    pytest.importorskip("cv2")
    refuses(ls.unique_quantize, **({"arr": [1, 2], "K": 1} | options), match=match)


class CFunctions(ctypes.Structure):
    """levelsnap_functions of levelsnap.h, as far as it makes tables."""

    _fields_ = [
        ("abi", ctypes.c_int),
        (
            "create",
            ctypes.CFUNCTYPE(
                ctypes.c_int,
                ctypes.POINTER(ctypes.c_void_p),
                ctypes.c_int,
                ctypes.POINTER(ctypes.c_double),
                ctypes.c_ssize_t,
                ctypes.c_int,
                ctypes.c_uint32,
            ),
        ),
    ]


def refuse_from_c():
    from levelsnap import cython_api

    unpack = ctypes.pythonapi.PyCapsule_GetPointer
    unpack.restype, unpack.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = unpack(cython_api._C_API, b"levelsnap.cython_api._C_API")
    create = CFunctions.from_address(address).create
    centers = (ctypes.c_double * 2)(0, 1)
    table = ctypes.c_void_p(1)
    for dtype, pointer, k, label_size in [
        (2, None, 2, 1),
        (-1, centers, 2, 1),
        (10**6, centers, 2, 1),
        (2, centers, -(2**63), 4),
        (2, centers, 2**63 - 1, 4),
        (2, centers, 2**31, 4),
        (2, centers, 2, -1),
    ]:
        assert create(table, dtype, pointer, k, label_size, 0) != 0


def test_hostile_arguments_from_c():
    run_alone("refuse_from_c()")


# Files


def png(width, height, depth=8):
    def chunk(name, content):
        sum_ = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", sum_)

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(itertools.starmap(chunk, chunks))


def tiff(width=50, height=40, bits=8, compression=1, offset=300, count=2000, kind=1):
    tags = {256: width, 257: height, 258: bits, 259: compression, 262: 1, 273: offset}
    tags |= {277: 1, 278: height, 279: count, 339: kind}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(3000)


def npy(header):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header) + 1) + header + b"\n" + bytes(64)


LYING_FILES = {
    "wide.png": png(100_000, 100_000),
    "endless.png": png(2**31 - 1, 2**31 - 1),
    "empty.png": png(0, 5),
    "short.png": png(500, 500),
    "depth.png": png(5, 5, 3),
    "wide.tif": tiff(2**32 - 1, 2**32 - 1),
    "far.tif": tiff(offset=2**31),
    "bits.tif": tiff(bits=0),
    "kind.tif": tiff(kind=9),
    "packed.tif": tiff(compression=8),
    "unknown.tif": tiff(compression=99),
    "wide.pgm": b"P5\n1000000 1000000\n255\n" + bytes(100),
    "negative.pgm": b"P5\n-5 5\n255\n" + bytes(100),
    "large.npy": npy(b"{'descr':'|u1','fortran_order':False,'shape':(1099511627776,)}"),
    "huge.npy": npy(b"{'descr':'|u1','fortran_order':False,'shape':(4294967296,4294967296)}"),
    "negative.npy": npy(b"{'descr':'|u1','fortran_order':False,'shape':(-1,)}"),
    "objects.npy": npy(b"{'descr':'|O','fortran_order':False,'shape':(3,)}"),
    "complex.npy": npy(b"{'descr':'<c16','fortran_order':False,'shape':(2,)}"),
    "run.npy": npy(b"{'descr':__import__('os').abort(),'fortran_order':False,'shape':(3,)}"),
    "deep.npy": npy(b"(" * 5000),
}


def refuse_files(folder):
    from levelsnap.raster import read_image, write_images

    folder = Path(folder)
    image = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    for suffix in (".png", ".tif", ".npy", ".pgm", ".bmp", ".jpg"):
        whole = folder / f"whole{suffix}"
        write_images({whole: image})
        content = whole.read_bytes()
        for length in (0, 1, 4, 10, 30, len(content) // 2, len(content) - 1):
            LYING_FILES[f"cut to {length}{suffix}"] = content[:length]
    for name, content in LYING_FILES.items():
        path = folder / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_image(path)


def test_files_that_are_cut_or_lie(tmp_path):
    pytest.importorskip("cv2")
    pytest.importorskip("tifffile")
    run_alone(f"refuse_files({str(tmp_path)!r})")
