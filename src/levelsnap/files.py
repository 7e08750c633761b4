"""Files that are written whole or not at all."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file, up to `most`; a FIFO or device might be waited for for ever."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return content


def target_of(path: str | os.PathLike[str]) -> Path:
    """The file that a path means, behind symbolic links."""
    return Path(os.path.realpath(path))


def write_together(writers: Mapping[Any, Callable[[Path], None]]) -> None:
    """Write all of several files or none: each writer is called with a path from `together`."""
    with together(*writers) as besides:
        for path, write in writers.items():
            with blaming(path):
                write(besides[path])


@contextmanager
def together(*paths: Any) -> Iterator[dict[Any, Path]]:
    """Paths beside the places of several files, to write them in the block, all or none.

    They are renamed when the block ends, and removed if it raises. A symbolic link stays and its
    target is replaced; a replaced file's permissions are kept. A file may be a folder, too.
    """
    besides = {path: _beside(target_of(path)) for path in paths}
    try:
        yield besides
        for path, beside in besides.items():
            target = target_of(path)
            with blaming(path):
                if target.is_file():
                    beside.chmod(stat.S_IMODE(target.stat().st_mode))
        for path, beside in besides.items():
            with blaming(path):
                _replace(beside, target_of(path))
    finally:
        for beside in besides.values():
            _remove(beside)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.tmp")


def _replace(beside: Path, target: Path) -> None:
    if not (target.is_dir() and beside.is_dir()):
        beside.replace(target)  # of a folder by a file, which fails
        return
    old = _beside(target)  # a folder that is not empty cannot be replaced at once
    target.rename(old)
    try:
        beside.rename(target)
    except BaseException:
        old.rename(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def blaming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have an OSError name the file that was asked for."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error
