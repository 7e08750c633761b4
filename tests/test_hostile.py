"""Input that lies, is huge or makes no sense: a clear error, and nothing crashes."""

import json
import os

import numpy as np
import pytest

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
    with pytest.raises(ValueError, match="centers must be at most 16777216, given"):
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
        json.dumps({**GOOD, "gap": "nan"}).encode(),
        json.dumps(GOOD).replace("1.0", "1" + "0" * 400).encode(),
        json.dumps(GOOD).replace("1.0", "1" * 5000).encode(),
    ],
    ids=range(17),
)
def test_a_bad_codebook_file_is_named(text, tmp_path):
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"bad\.json is not a codebook file: "):
        ls.Codebook.load(path)


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
