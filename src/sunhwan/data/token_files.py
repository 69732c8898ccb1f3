"""Token files: a corpus in ids on the disk, made once as a stream and mapped by every training.

CACHE/tokens/HASH/  meta.json  train.ids  train.starts.npy  validation.ids  validation.starts.npy
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from filelock import FileLock

from sunhwan.atomic import replaced_folder, reported
from sunhwan.data.survey import Survey, check_unchanged
from sunhwan.data.token_writer import SIDES, TokenWriter
from sunhwan.data.tokens import MappedIds, Tokens, check_length
from sunhwan.errors import DataError, StoreError, TextError
from sunhwan.files import read_json
from sunhwan.progress import tell
from sunhwan.text import Vocabulary, build_vocabulary, vocabulary_from_dict
from sunhwan.text.chunks import encode_part, work_on_training_texts
from sunhwan.text.documents import training_lengths
from sunhwan.text.pieces import NotStreamedError
from sunhwan.workers import Workers, processes_for

Found = TypeVar("Found")

FORMAT = 1
_ABANDONED = 7 * 86_400
"""Seconds after which a folder that was begun counts as left by a process that died."""


class TokenSettings(NamedTuple):
    """Tokenisation of a corpus: settings of the section `text`, all of them complete."""

    vocabulary: str
    min_count: int
    max_size: int
    unknown: str
    validation_share: float


class TokenFile(NamedTuple):
    """A corpus in ids that are mapped. made: whether this process made it just now."""

    folder: Path
    vocabulary: Vocabulary
    train: Tokens
    validation: Tokens | None
    made: bool


def cache_folder() -> Path:
    """Where token files are kept: SUNHWAN_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SUNHWAN_CACHE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(home or Path.home() / ".cache") / "sunhwan"


def token_file(
    survey: Survey, held_out: Survey | None, settings: TokenSettings, cache: Path
) -> TokenFile:
    """The token file of a corpus: that in the cache, or a new one.

    held_out: the corpus to validate on; None: a share of each file or text. Ids, documents and digests
    are those of `encode` on the texts in memory. A folder is there whole or not at all.

    Raises:
        DataError: there are too few tokens. TextError: there is no token to keep, or a file changed.
        StoreError: the cache cannot be written.
    """
    folder = cache / "tokens" / _key(survey, held_out, settings)
    with reported(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        found = _opened(folder, made=False)
        if found:
            return found
        _clear(folder.parent)
        begun = folder.with_name(f".{folder.name}.begun")
        with replaced_folder(folder) as new:
            try:
                _make(begun, new, survey, held_out, settings)
            except BaseException as error:
                shutil.rmtree(new, ignore_errors=True)
                if isinstance(error, DataError | TextError):  # it would be the same again
                    shutil.rmtree(begun, ignore_errors=True)
                raise
        shutil.rmtree(begun, ignore_errors=True)
        made = _opened(folder, made=True)
        assert made is not None
        return made


def _key(survey: Survey, held_out: Survey | None, settings: TokenSettings) -> str:
    corpora = [
        None if corpus is None
        else [corpus.column, [[file.sha256, file.encoding] for file in corpus.files]]
        for corpus in (survey, held_out)
    ]  # fmt: skip
    known = json.dumps([FORMAT, list(settings), corpora])
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def _opened(folder: Path, *, made: bool) -> TokenFile | None:
    """A token file as it lies on the disk; None where there is none, or one that lacks something."""
    try:
        meta = read_json(folder / "meta.json")
        vocabulary = vocabulary_from_dict(meta["vocabulary"])
        train, validation = (
            None if meta[part] is None else _tokens(folder, part, meta[part])
            for part in ("train", "validation")
        )
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return None
    return None if train is None else TokenFile(folder, vocabulary, train, validation, made)


def _tokens(folder: Path, part: str, facts: dict[str, Any]) -> Tokens:
    path, length, dtype = folder / f"{part}.ids", int(facts["length"]), np.dtype(facts["dtype"])
    if path.stat().st_size != length * dtype.itemsize:
        raise ValueError(f"{path} has another size than it was written with")
    starts = torch.from_numpy(np.load(folder / f"{part}.starts.npy"))
    ids = MappedIds(path, dtype.str, length)
    return Tokens(ids, starts, facts["characters"], facts["unknown"], facts["digest"])


def _clear(folder: Path) -> None:
    """Remove what processes that died long ago had begun."""
    for path in (*folder.glob(".*.new"), *folder.glob(".*.begun")):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path)


def _make(
    begun: Path, new: Path, survey: Survey, held_out: Survey | None, settings: TokenSettings
) -> None:
    """Fill a folder with a token file. begun: where it is made, so that a stop loses little."""
    checks = [check_unchanged(corpus) for corpus in (survey, held_out) if corpus]
    try:
        facts = _encode(begun, survey, held_out, settings)
    except NotStreamedError:
        for check in checks:
            check()
        raise
    for check in checks:
        check()
    train, rest = (facts[side] for side in SIDES)
    check_length(train["length"] if train["characters"] else min(train["length"], 1), survey.name)
    kept = rest["length"] >= 2 and rest["characters"] > 0
    if held_out:
        check_length(rest["length"] if kept else min(rest["length"], 1), "the validation text")
    meta = {
        "format": FORMAT,
        "made_of": [file.name for file in survey.files[:100]],
        "vocabulary": facts["vocabulary"],
        "train": train,
        "validation": rest if kept else None,
    }
    for side, end in product(SIDES, ("ids", "starts.npy")):
        (begun / f"{side}.{end}").rename(new / f"{side}.{end}")
    (new / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _encode(
    begun: Path, survey: Survey, held_out: Survey | None, settings: TokenSettings
) -> dict[str, Any]:
    """Write ids into a folder, or go on with it: the facts of each part, and the vocabulary."""
    cuts = _cuts(survey, 0.0 if held_out else settings.validation_share)
    with Workers(processes_for(survey.characters), goes_on=True) as workers:

        def vocabulary() -> Vocabulary:
            return build_vocabulary(
                settings.vocabulary,
                _TrainingTexts(survey, cuts, workers),
                min_count=settings.min_count,
                max_size=settings.max_size or None,
                unk=settings.unknown == "unk",
                eos=settings.vocabulary == "words" or len(survey.lengths) > 1,
            )

        with TokenWriter(begun, vocabulary) as writer:
            keeps = writer.vocabulary.may_be_cut
            parts = survey.parts(cuts, keeps)
            if held_out:
                parts = chain(parts, held_out.parts([0] * len(held_out.lengths), keeps))
            total = survey.characters + (held_out.characters if held_out else 0)
            done = 0
            for _ in range(writer.done):
                done += next(parts).characters
            for encoded in workers.map(partial(encode_part, writer.vocabulary), parts):
                writer.add(*encoded)
                done += sum(side.characters for side in encoded)
                tell("encoding", done, total)
            return {**writer.finish(), "vocabulary": writer.vocabulary.to_dict()}


def _cuts(survey: Survey, fraction: float) -> list[int]:
    """How many characters of each document are for training.

    Of texts the first ones of each, as `Corpus.split` has it; of a table the first rows, whole.
    """
    lengths = survey.lengths
    if not survey.column:
        return training_lengths(lengths.tolist(), fraction)
    of_files = training_lengths([int(file.lengths.sum()) for file in survey.files], fraction)
    parts = []
    for file, cut in zip(survey.files, of_files, strict=True):
        middles = np.cumsum(file.lengths) - file.lengths / 2
        parts.append(np.where(middles <= cut, file.lengths, 0))
    cuts = np.concatenate(parts)
    return [int(cut) for cut in (cuts if cuts.any() else lengths)]


class _TrainingTexts:
    """The training part of a corpus: its parts worked on in several processes, as often as one asks."""

    def __init__(self, survey: Survey, cuts: Sequence[int], workers: Workers) -> None:
        self._survey, self._cuts, self._workers = survey, cuts, workers

    def map(
        self,
        work: Callable[[Iterable[Iterable[str]]], Found],
        may_be_cut: Callable[[str], bool] | None = None,
    ) -> Iterator[Found]:
        """What the work finds in each part."""
        total, done = self._survey.characters, 0
        work_on = partial(work_on_training_texts, work)
        for length, found in self._workers.map(work_on, self._survey.parts(self._cuts, may_be_cut)):
            yield found
            done += length
            tell("counting", done, total)
