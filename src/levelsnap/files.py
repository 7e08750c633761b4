"""Files that are written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def target_of(path: Path) -> Path:
    """The file that a path means, behind symbolic links."""
    return Path(os.path.realpath(path))


def write_together(writers: Mapping[Path, Callable[[Path], None]]) -> None:
    """Write all of several files or none.

    Each writer is called with a path beside its file's place; renaming starts when all are
    complete. A symbolic link stays and its target is replaced; a replaced file's permissions are
    kept. An OSError names the file that was asked for.
    """
    written: dict[Path, Path] = {}
    try:
        for path, write in writers.items():
            target = target_of(path)
            beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
            written[target] = beside
            with _blaming(path):
                write(beside)
                if target.exists():
                    shutil.copymode(target, beside)
        for target, beside in written.items():
            with _blaming(target):
                beside.replace(target)
    finally:
        for beside in written.values():
            beside.unlink(missing_ok=True)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
