"""No source file is longer than a reader takes in at once."""

from tests.test_imports import FILES, ROOT

MOST = 400


def too_long(most: int = MOST) -> dict[str, int]:
    """The files of the package with more lines than this."""
    lines = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in FILES}
    return {file: count for file, count in lines.items() if count > most}


def test_no_file_is_too_long():
    assert too_long() == {}


def test_long_files_are_found():
    assert len(too_long(100)) > 50
