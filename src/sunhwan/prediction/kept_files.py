"""Files that an output must not replace: what is asked, and what the model was trained on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sunhwan.errors import SunhwanError, TextError, UsageError
from sunhwan.store import Run
from sunhwan.text.corpora import TextFile, find_texts


def check_unread(out: Path, read: Sequence[Path], option: str = "--out") -> None:
    """UsageError where an output would replace a file that is read; option: the one that names it."""
    if any(_same(path, out) for path in read):
        raise UsageError(f"{option} {out} is the file that is read: name another one")


def check_untrained(out: Path, run: Path, option: str = "--out") -> None:
    """UsageError where an output would replace a file that a run, or the run of a model, learned from."""
    if out.exists() and any(_same(path, out) for path in _learned_from(run)):
        raise UsageError(
            f"{option} {out} is a file that the model was trained or validated on: name another one"
        )


def _same(path: Path, out: Path) -> bool:
    return out.exists() and path.exists() and path.samefile(out)


def _learned_from(run: Path) -> Iterator[Path]:
    """The files of a run's table, series or treebank; none of a model that came without its run."""
    folder = run.parent if run.name == "model" else run
    if not (folder / "config.toml").is_file():
        return
    try:
        config = Run.open(folder).config()
    except SunhwanError:  # the model can be used without
        return
    for source in filter(None, (*config.data.source, config.text.validation)):
        if Path(source).is_dir():
            yield from (below for below in Path(source).rglob("*") if below.is_file())
            continue
        try:
            found = find_texts(source)
        except TextError:  # it is gone, or built in
            continue
        yield from (one.path for one in found if isinstance(one, TextFile))
