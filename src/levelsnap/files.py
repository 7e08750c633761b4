"""Files that are written whole or not at all."""

import os
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
    """Write all of several files or none.

    Each writer is called with a path beside its file's place; renaming starts when all are
    complete. A symbolic link stays and its target is replaced; a replaced file's permissions are
    kept. An OSError names the file that was asked for.
    """
    written: dict[Path, Path] = {}
    try:
        for path, write in writers.items():
            target = target_of(path)
            beside = target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.tmp")
            written[target] = beside
            with _blaming(path):
                write(beside)
                if target.exists():
                    beside.chmod(stat.S_IMODE(target.stat().st_mode))
        for target, beside in written.items():
            with _blaming(target):
                beside.replace(target)
    finally:
        for beside in written.values():
            beside.unlink(missing_ok=True)


@contextmanager
def _blaming(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from error
