"""Files of a corpus: what its sources name, and which folders are refused."""

from collections.abc import Sequence
from pathlib import Path

from sunhwan.data.sheets import COLUMNAR
from sunhwan.errors import UsageError, listed
from sunhwan.files import is_plain, unpacked_name
from sunhwan.text.corpora import TextFile, find_texts
from sunhwan.text.decoding import normalize
from sunhwan.text.documents import Document
from sunhwan.text.folders import is_text_name


def corpus_files(sources: Sequence[str], column: str) -> list[Document | TextFile]:
    """The files of the sources; of a folder tables alone where a column is named.

    UsageError: a folder is a data set that `datasets` saved, and a part or the column of it is not named.
    """
    for source in sources:
        _check_saved_data_set(Path(source), column)
    named = _is_table_name if column else is_text_name
    return [found for source in sources for found in find_texts(source, is_named=named)]


def _check_saved_data_set(folder: Path, column: str) -> None:
    if is_plain(folder / "dataset_dict.json"):
        parts = sorted(path.parent.name for path in folder.glob("*/dataset_info.json"))
        raise UsageError(
            f"{normalize(str(folder))} is a data set in parts ({listed(parts)}): name one of their folders"
        )
    if is_plain(folder / "dataset_info.json") and not column:
        raise UsageError(
            f"{normalize(str(folder))} is a data set that was saved: name the column of its texts by "
            "--column"
        )


def size_of(found: Sequence[Document | TextFile]) -> int:
    """Bytes of the files as they lie on the disk."""
    return sum(stat_of(f.path)[0] for f in found if isinstance(f, TextFile))


def stat_of(path: Path) -> tuple[int, int]:
    """Size and time of change; what cannot be looked at is told when it is read."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _is_table_name(name: str) -> bool:
    suffix = Path(unpacked_name(name)).suffix
    return suffix in (".csv", ".tsv", ".jsonl", ".ndjson", *COLUMNAR)
