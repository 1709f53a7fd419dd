"""A target for atheris, which finds its way by what the parsers do with the bytes.

    pip install 'comm-fabric[fuzz]'
    python -m fuzz.atheris_parsers .hypothesis/atheris -max_total_time=600

The first argument is a folder, which the vectors are written to as the first corpus;
all others are those of libFuzzer.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
import sys
from types import ModuleType

from fuzz.conversations import vectors
from fuzz.parsers import check_any


__all__ = ["main", "test_one_input", "write_corpus"]


def test_one_input(data: bytes) -> None:
    """Gives bytes to every parser; raises if one does anything but read or refuse."""
    check_any(data)


def write_corpus(folder: Path) -> int:
    """Writes all that nodes are known to say into a folder; returns how much it is."""
    folder.mkdir(parents=True, exist_ok=True)
    known = {b"".join(said) for said in vectors()}
    for data in sorted(known):
        name = hashlib.blake2b(data, digest_size=8).hexdigest()
        (folder / name).write_bytes(data)
    return len(known)


def main(arguments: list[str]) -> None:
    """Fuzzes until it is stopped, or something is found."""
    if not arguments:
        raise SystemExit(__doc__)
    atheris = _load_atheris()
    write_corpus(Path(arguments[0]))
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], test_one_input)
    atheris.Fuzz()


def _load_atheris() -> ModuleType:
    try:
        return import_module("atheris")
    except ImportError:
        raise SystemExit(
            "atheris is not installed: pip install 'comm-fabric[fuzz]'; "
            "it has no wheels for every Python, `python -m fuzz` needs none of it"
        ) from None


if __name__ == "__main__":
    main(sys.argv[1:])
