"""Every way to find distinct values, forced, on every instruction set; and which is chosen."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from processes import environment
from strategies import DTYPES, NATIVE, images

import levelsnap as ls
from levelsnap import tables, values
from levelsnap._distinct import LEAST_HOME_BITS
from levelsnap._nearest import BEST_ISA
from levelsnap.tables import Isa
from levelsnap.values import Plan, Way, find_values

ISAS = [isa for isa in Isa if isa <= BEST_ISA]
WIDE = [dtype for dtype in NATIVE if dtype.itemsize >= 4]
PLANS = [
    *map(Plan, Way),
    Plan(Way.SET, home_bits=LEAST_HOME_BITS),
    Plan(Way.BITMAP, dense=True),
    Plan(Way.BITMAP, dense=True, apart=True),
]


def expected(elements):
    """Not for float16, which np.unique of NumPy 2.4 sorts wrongly on some CPUs."""
    found, counts = np.unique(elements[elements == elements], return_counts=True)
    found = found.astype(found.dtype.newbyteorder("="))
    zero = found == 0
    found[zero] = 0  # also -0.0
    return found, counts.astype(np.uint64)


def check(image, plan, threads=1, where=None):
    found, counts = expected(image if where is None else image[where])
    for counted in (False, True):
        here, how_often = find_values(image, where, threads, counted, plan)
        assert_array_equal(here, found, strict=True)
        assert not np.signbit(here[here == 0]).any()
        if counted:
            assert_array_equal(how_often, counts, strict=True)


def suits(plan, dtype):
    return dtype.itemsize == 4 or not (plan.way is Way.BITMAP or plan.home_bits)


def suiting(dtypes):
    return [(plan, dtype) for plan in PLANS for dtype in dtypes if suits(plan, dtype)]


def has_kernels(plan, isa):
    return isa == BEST_ISA or plan.way is not Way.SORT


def name(part):
    if isinstance(part, Plan):
        return "-".join(map(str, (part.way.name, *part[1:])))
    return part.name if isinstance(part, Isa) else str(part)


def each_plan(dtypes):
    return pytest.mark.parametrize(("plan", "dtype"), suiting(dtypes), ids=name)


@pytest.fixture(params=ISAS, ids=lambda isa: isa.name)
def isa(request, monkeypatch):
    monkeypatch.setattr(tables, "ISA", request.param)
    return request.param


@pytest.fixture
def narrow(monkeypatch):
    """Many buckets, of which few have room, and parts, of few elements."""
    for name, value in {"BUCKET": 200, "ROOM": 9000, "DEALT": 3000, "MAX_COUNT": 10_000}.items():
        monkeypatch.setattr(values, name, value)
    monkeypatch.setattr(values, "_tally_limit", lambda image: image.size)


def bits(dtype, size, seed=0):
    """Any bit patterns, NaN among them."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, size * dtype.itemsize, "u1").view(dtype)


def _special(dtype, size):
    image = np.round(np.random.default_rng(3).standard_normal(size) * 3).astype(dtype)
    if dtype.kind == "f":
        image[::3] = np.nan
        image[1::7] = -np.nan
        image[2::7], image[3::7], image[4::7] = np.inf, -np.inf, -0.0
    return image


def _mixed(dtype, size):
    """Half of it one value, the rest close to another that is far away."""
    rng = np.random.default_rng(2)
    far = (2**30 + rng.random(size) * 1000).astype(dtype)
    return np.where(rng.random(size) < 0.5, dtype.type(0), far)


def _extremes(dtype, size):
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.resize(np.array([info.min, info.max, info.max, 1, 0], dtype), size)


IMAGES = {
    "few": lambda dtype, size: (np.arange(size) * 7 % 100).astype(dtype),
    "all distinct": lambda dtype, size: np.random.default_rng(0).permutation(size).astype(dtype),
    "bits": bits,
    "normal": lambda dtype, size: (np.random.default_rng(1).standard_normal(size) * 1000).astype(
        dtype
    ),
    "constant": lambda dtype, size: np.full(size, 7, dtype),
    "extremes": _extremes,
    "mixed": _mixed,
    "special": _special,
    "repeats": lambda dtype, size: np.repeat(bits(dtype, size // 50 + 1), 50)[:size],
    "all ones": lambda dtype, size: np.full(size * dtype.itemsize, 255, "u1").view(dtype),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize(
    ("plan", "dtype", "isa"),
    [(*case, isa) for case in suiting(WIDE) for isa in ISAS if has_kernels(case[0], isa)],
    ids=name,
    indirect=["isa"],
)
def test_every_way(plan, dtype, kind, isa, narrow):
    for size in (0, 1, 31, 1000, 20_011):
        check(IMAGES[kind](dtype, size), plan, threads=1 + size % 3)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("dtype", ["int16", "uint16", ">i2"])
def test_both_ways_of_small_integers(dtype, kind, monkeypatch):
    for most in (values.SMALL_SHORTS, -1):
        monkeypatch.setattr(values, "SMALL_SHORTS", most)
        for size in (0, 1, 31, 1000, 20_011):
            image = IMAGES[kind](np.dtype(dtype), size)
            check(image, None, threads=2)
            check(image, None, where=image % 3 > 0)


@each_plan(WIDE)
def test_threads_change_nothing(plan, dtype, narrow):
    for kind in ("bits", "special"):
        for threads in (1, 2, 3, 8):
            check(IMAGES[kind](dtype, 5003), plan, threads)


@each_plan([dtype for dtype in DTYPES if dtype.itemsize >= 4])
def test_any_layout_and_where(plan, dtype, narrow):
    image = _special(dtype, 30 * 40 * 6).reshape(30, 40, 6)
    where = np.random.default_rng(4).random(image.shape) < 0.3
    rows = np.broadcast_to(np.arange(40)[:, None] % 5 == 0, image.shape)
    for view in (np.s_[:], np.s_[::-1, ::3], np.s_[..., 1], np.s_[3:, 1:-1, ::-2]):
        for threads in (1, 2):
            check(image[view], plan, threads)
            check(image[view].T, plan, threads, where[view].T)
            check(image[view], plan, threads, rows[view])


@given(
    st.sampled_from([d for d in DTYPES if d.itemsize >= 4]).flatmap(images), st.sampled_from(PLANS)
)
def test_any_image(image, plan):
    if suits(plan, image.dtype):
        check(image, plan)


def test_large_buckets(monkeypatch):
    """More keys than the scratch holds, of which a sample tells nothing."""
    monkeypatch.setattr(values, "_sample", lambda image, size: np.zeros(size, f"u{image.itemsize}"))
    rng = np.random.default_rng(0)
    for dtype in ("f8", "u8", "u4"):
        image = bits(np.dtype(dtype), 400_000)
        check(image, Plan(Way.DEAL), 2)
        image[:] = rng.integers(0, 2**31, len(image))
        check(image, Plan(Way.DEAL), 2)


@pytest.mark.parametrize("dtype", ["u4", "i4", "f4", "u8", "i8"])
def test_buckets_whose_keys_lie_close_together(dtype, monkeypatch):
    """As close as a bitmap in the scratch of a thread just holds, and not quite."""
    monkeypatch.setattr(values, "_sample", lambda image, size: np.zeros(size, f"u{image.itemsize}"))
    for most in (2**23 - 65, 2**23 - 1, 2**23, 2**23 + 7):
        image = np.random.default_rng(most).integers(0, most, 300_000, "u4").astype(f"u{dtype[1]}")
        image[5:7] = 0, most
        image += 2**30
        check(image.view(dtype), Plan(Way.DEAL), 2)


@pytest.mark.parametrize("dtype", ["u4", "f4", "u8", "i8", "f8"])
def test_buckets_whose_keys_repeat(dtype, monkeypatch):
    """Few and many values, the least and the greatest among them, and more than some keys tell."""
    monkeypatch.setattr(values, "_sample", lambda image, size: np.zeros(size, f"u{image.itemsize}"))
    rng = np.random.default_rng(9)
    some = bits(np.dtype(dtype), 50_000)
    for pool in (1, 10, 1000, 4000, 12_000, 20_000, 50_000):
        for size in (8192, 8193, 45_000, 130_000):
            image = some[rng.integers(pool, size=size)]
            check(image, Plan(Way.DEAL), 2)
            step = size // 2048
            image[:] = some[np.arange(size) % len(some)]
            image[::step] = some[:3][rng.integers(3, size=len(image[::step]))]
            image[-1] = image.min()
            check(image, Plan(Way.DEAL), 2)


def test_buckets_of_as_many_keys_each(monkeypatch):
    """With few and with many values, NaN, zeros of both signs and elements that are skipped."""
    for dtype in ("u4", "i4", "f4"):
        image = bits(np.dtype(dtype), 300_000)
        assert values._even_deal(values.Image(image, False, None), image.dtype, 1)
        for pool in (300_000, 1000):
            some = image[np.random.default_rng(pool).integers(pool, size=300_000)]
            some[5:9] = np.array([0, 1 << 31, (1 << 31) - 1, (1 << 32) - 1], "u4").view(dtype)
            for narrow_room in (values.ROOM, 400_000):
                monkeypatch.setattr(values, "ROOM", narrow_room)
                check(some, Plan(Way.DEAL), 2)
                check(some, Plan(Way.DEAL), 3, np.arange(300_000) % 3 > 0)


@pytest.mark.parametrize("dtype", ["u4", "i8", "u8"])
def test_sets_of_all_ones_and_crowded_homes(dtype, isa):
    """What marks an empty slot is a value, too; of multiples of a power of two homes are few."""
    for step in (1, 2**12, 2**20):
        image = (np.arange(300_000) % 1000 * step).astype(dtype)
        image[::3] = np.array(-1).astype(dtype)
        image[7:90] = 0
        check(image, Plan(Way.SET), 2)


@pytest.mark.parametrize("home_bits", [1, 5, 12])
@pytest.mark.parametrize("pool", [1, 3, 1000])
def test_cells_that_are_full_or_whose_counts_overflow(pool, home_bits, isa):
    image = rng_pool(pool, 100_003, "f4", True)
    image[::9] = 0  # whose tag is 0, too
    found, counts = find_values(image, None, 2, True, Plan(Way.SET, home_bits=home_bits))
    assert_array_equal(found, expected(image)[0], strict=True)
    assert_array_equal(counts, expected(image)[1], strict=True)


@pytest.mark.parametrize("dtype", ["u4", "f4", "i8", "f8"])
def test_counts_of_buckets(dtype, monkeypatch):
    """Tables that grow, values that have a bucket of their own, and sums of several counts."""
    monkeypatch.setattr(values, "_tally_limit", lambda image: image.size)
    rng = np.random.default_rng(8)
    for pool, most in ((3, 1 << 31), (1000, 90_000), (30_000, 1 << 31), (300_000, 150_000)):
        monkeypatch.setattr(values, "MAX_COUNT", most)
        image = bits(np.dtype(dtype), pool)[rng.integers(pool, size=400_000)]
        image[rng.random(len(image)) < 0.3] = 0
        image[5:9] = image[5:9].view(f"u{dtype[1]}") | 1 << 8 * image.itemsize - 1
        check(image, Plan(Way.TALLY), 2)
        check(image, Plan(Way.TALLY), 3, np.arange(len(image)) % 3 > 0)


@pytest.mark.parametrize("spread", [0, 1 << 30])
@pytest.mark.parametrize("dtype", ["u1", "?", "i1", "u2", "i2", "f2"])
def test_patterns(dtype, spread, isa, monkeypatch):
    """Where all patterns have been seen, and where one comes last of all."""
    monkeypatch.setattr(values, "SPREAD", spread)
    dtype = np.dtype(dtype)
    full = bits(dtype, 1_000_007)
    for image in (full, full[:1000], np.sort(full.view(f"u{dtype.itemsize}")).view(dtype)):
        for threads in (1, 2, 3):
            for counted in (False, True):
                here, counts = find_values(image, None, threads, counted)
                # Exact, and not of float16.
                wide = image.view("u1") != 0 if dtype.kind == "b" else image.astype(np.float32)
                found, how_often = expected(wide)
                assert_array_equal(here, found.astype(dtype), strict=True)
                if counted:
                    assert_array_equal(counts, how_often, strict=True)


def rng_pool(n, size, dtype, spread):
    rng = np.random.default_rng(n)
    pool = bits(np.dtype(dtype), n) if spread else rng.random(n).astype(dtype)
    return pool[rng.integers(n, size=size)]


@pytest.mark.parametrize("dtype", WIDE)
def test_values_that_ascend_already(dtype, monkeypatch):
    monkeypatch.setattr(values, "RUN", 8)
    some = np.arange(30).astype(dtype)
    if dtype.kind != "u":
        some -= some.dtype.type(10)
    inputs = [some, some[:2], some[:9], some[::3], np.append(some, some[-1]), some[::-1]]
    if dtype.kind == "f":
        some = some.copy()
        some[10] = -0.0
        inputs += [some, np.append(some, np.nan), np.append(some, np.inf)]
        inputs += [some[:0], np.array([np.nan], dtype)]
    for image in inputs:
        wanted, counts = expected(image)
        found = values._ascending(image, wanted.dtype)
        if found is not None:
            assert found.tobytes() == wanted.tobytes()
            assert not np.shares_memory(found, image)
        assert (found is not None) == (len(image) > 1 and bool((image[1:] > image[:-1]).all()))
        both = find_values(image, None, 1, True)
        assert_array_equal(both[0], wanted)
        assert_array_equal(both[1], counts)


needs_avx512 = pytest.mark.skipif(tables.ISA < Isa.AVX512, reason="cells count by vectors")


@pytest.mark.parametrize(
    ("dtype", "n", "spread", "counted", "way"),
    [
        ("f4", 100, False, False, Way.BITMAP),
        ("f4", 100, False, True, Way.SET),
        ("f4", 5000, True, False, Way.SET),
        ("f4", 20_000, False, False, Way.SET),
        pytest.param("f4", 100_000, True, True, Way.SET, marks=needs_avx512),
        ("i4", 10**7, True, False, Way.DEAL),
        ("f8", 100, False, False, Way.SET),
        ("f8", 120_000, False, False, Way.TALLY),
        ("f8", 10**7, False, True, Way.DEAL),
    ],
)
def test_the_choice(dtype, n, spread, counted, way):
    image = values.Image(rng_pool(n, 4_000_000, dtype, spread), False, None)
    assert values._choose(image, np.dtype(dtype), 2, counted).way is way


def test_what_the_sample_has_missed(monkeypatch):
    """More values than a set, or the tables of buckets, may hold."""
    monkeypatch.setattr(values, "SET_LIMIT", 1000)
    monkeypatch.setattr(values, "TALLY_LIMIT", 1000)
    image = bits(np.dtype("u4"), 400_000)
    for plan in PLANS:
        check(image, plan, 2)


@pytest.mark.parametrize("room", [0, 1 << 22, 1 << 30])
def test_bitmaps_of_each_thread_that_lie_too_far_apart(room, monkeypatch):
    monkeypatch.setattr(values, "_apart_room", lambda image: room)
    for dtype in ("u4", "i4", "f4"):
        check(bits(np.dtype(dtype), 100_000), Plan(Way.BITMAP, dense=True, apart=True), 2)


@pytest.mark.parametrize("dtype", ["f4", "i4", "f8", "u8"])
@pytest.mark.parametrize("n", [100, 70_000, 10**6])
def test_what_is_chosen_is_right(dtype, n):
    image = rng_pool(n, 1_000_003, dtype, False) * 1000
    image = image.astype(dtype)
    check(image, None, 2)
    check(image[::-2], None, 2)


def run(code):
    """What a fresh process prints."""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


MEMORY = """
import resource, sys
import numpy as np, levelsnap as ls
rng = np.random.default_rng(0)
image = rng.integers(0, 256, {size}, "u1").view({dtype!r})
ls.distinct(np.arange(1 << 17, dtype={dtype!r}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = ls.{function}(image)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = found.nbytes if {function!r} == "distinct" else found.values.nbytes + found.counts.nbytes
print((after - before) * 1024 - result)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in kB on Linux")
@pytest.mark.parametrize("function", ["distinct", "histogram"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "u2", "i8"])
def test_memory_is_at_most_one_and_a_half_times_the_image(dtype, function):
    size = 1 << 27
    extra = int(run(MEMORY.format(size=size, dtype=dtype, function=function))[0])
    assert extra <= 1.5 * size


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
@pytest.mark.parametrize("dtype", ["u2", "f4", "f8"])
@pytest.mark.parametrize("function", [ls.distinct, ls.histogram])
def test_ctrl_c_ends_a_call(dtype, function):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    image = np.broadcast_to(bits(np.dtype(dtype), 1 << 10), (1 << 28, 1 << 10))  # for minutes
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Stop):
            function(image)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


NO_MEMORY = """
import resource
import numpy as np, levelsnap as ls
from levelsnap.values import Plan, Way, find_values
image = np.arange(1 << 20, dtype="u4")
find_values(image[:100_000], None, 1, False, Plan(Way.BITMAP))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 26),) * 2)
for _ in range(20):
    try:
        find_values(image, None, 1, False, Plan(Way.BITMAP))
    except MemoryError:
        print("refused")
values, counts = find_values(image, None, 1, True, Plan(Way.DEAL))
assert len(values) == len(image) and (counts == 1).all()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS and /proc")
def test_without_memory():
    assert run(NO_MEMORY) == ["refused"] * 20
