"""The target for atheris, without atheris."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest

from fuzz import atheris_parsers
from fuzz.conversations import vectors


@pytest.mark.parametrize("number", range(len(vectors())))
def test_the_target_takes_every_vector(number: int) -> None:
    """What is in the first corpus is no finding."""
    atheris_parsers.test_one_input(b"".join(vectors()[number]))


def test_the_first_corpus_is_the_vectors(tmp_path: Path) -> None:
    """Each is written once, whatever it is called."""
    known = {b"".join(said) for said in vectors()}
    assert atheris_parsers.write_corpus(tmp_path / "new") == len(known)
    assert {path.read_bytes() for path in (tmp_path / "new").iterdir()} == known


@pytest.mark.skipif(util.find_spec("atheris") is not None, reason="it is installed")
def test_without_atheris_it_says_how_to_get_it(tmp_path: Path) -> None:
    """The message names the extra; without arguments, it says how it is used."""
    with pytest.raises(SystemExit, match=r"pip install 'comm-fabric\[fuzz\]'"):
        atheris_parsers.main([str(tmp_path)])
    with pytest.raises(SystemExit, match="max_total_time"):
        atheris_parsers.main([])
