"""Corpus of a language model: its files as token ids, in memory or in a token file."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sunhwan.config import Config
from sunhwan.data import Tokens, encode
from sunhwan.data.corpus_files import corpus_files, size_of
from sunhwan.data.sheets import COLUMNAR
from sunhwan.data.survey import Survey, take_survey
from sunhwan.data.token_files import TokenSettings, cache_folder, token_file
from sunhwan.errors import ConfigError, DataError, UsageError
from sunhwan.files import unpacked_name
from sunhwan.tasks.common.recipe import by_heart
from sunhwan.tasks.language_model.recipe import complete, said
from sunhwan.text import Corpus, Document, Vocabulary, build_vocabulary, load_corpus
from sunhwan.text.corpora import TextFile

LARGE = 1 << 24
"""Bytes of files from which a corpus is read as a stream, into a token file."""

BY_HEART = (
    "a text of {characters} characters is memorised: a held-out tenth would tell nothing; give more "
    "text, or --validation FILE"
)


class TokenCorpus(NamedTuple):
    """A corpus ready to be trained on.

    config: complete. validation: None where there is nothing to validate on. notes: what was found in
    the files, a sentence each. folder: that of the token file; None: the ids are in memory.
    """

    config: Config
    vocabulary: Vocabulary
    train: Tokens
    validation: Tokens | None
    notes: tuple[str, ...]
    folder: Path | None = None


def read_corpus(config: Config) -> TokenCorpus:
    """Read what `text.corpus` and `text.validation` name: the same ids in memory and in a token file."""
    return _from_file(config) if _is_streamed(config) else _in_memory(config)


def read_held_out(config: Config, vocabulary: Vocabulary) -> Tokens:
    """What the run of a configuration kept for validation, in the ids of its model.

    UsageError: there is nothing, or the corpus is another one by now.
    """
    if not _is_streamed(config):
        documents = _documents(config)[2]
        if not any(document.text for document in documents):
            raise UsageError("the run kept no text for validation: name a file")
        return encode(vocabulary, documents, "the validation text")
    found = _from_file(config)
    if found.validation is None:
        raise UsageError("the run kept no text for validation: name a file")
    if found.vocabulary != vocabulary:
        raise UsageError("the corpus is not the one that the model was trained on: name a file")
    return found.validation


def _is_streamed(config: Config) -> bool:
    """Whether the corpus is read as a stream: as `text.tokens` says, or where it is large."""
    text = config.text
    sources = [*text.corpus, *([text.validation] if text.validation else [])]
    found = [file for file in corpus_files(sources, text.column) if isinstance(file, TextFile)]
    if text.tokens == "memory":
        if text.column:
            raise ConfigError("text.column is read as a stream: set text.tokens to 'file'")
        return False
    for file in [] if text.column else found:
        if Path(unpacked_name(file.path.name)).suffix in COLUMNAR:
            raise DataError(f"{file.name} is a table: name the column of its texts by text.column")
    return bool(found) and (text.tokens == "file" or bool(text.column) or size_of(found) >= LARGE)


def _from_file(config: Config) -> TokenCorpus:
    text, cache = config.text, cache_folder()
    survey = take_survey(text.corpus, text.column, cache)
    notes = survey.notes
    if by_heart(config, survey):
        notes = (*notes, BY_HEART.format(characters=f"{survey.characters:,}"))
    config, notes = _completed(config, survey, notes)
    held_out = take_survey([text.validation], text.column, cache) if text.validation else None
    text = config.text
    settings = TokenSettings(
        text.vocabulary, text.min_count, text.max_size, text.unknown, text.validation_share
    )
    found = token_file(survey, held_out, settings, cache)
    notes = (*notes, f"token file {'made' if found.made else 'found'}: {found.folder}")
    return TokenCorpus(config, found.vocabulary, found.train, found.validation, notes, found.folder)


def _in_memory(config: Config) -> TokenCorpus:
    corpus, documents, held_out = _documents(config)
    notes = corpus.notes
    if by_heart(config, corpus):
        documents, held_out = corpus.documents, ()
        notes = (*notes, BY_HEART.format(characters=f"{corpus.characters:,}"))
    config, notes = _completed(config, corpus, notes)
    text = config.text
    vocabulary = _vocabulary(config, corpus, documents)
    train = encode(vocabulary, documents, corpus.name)
    validation: Tokens | None = None
    try:
        validation = encode(vocabulary, held_out, "the validation text")
    except DataError:
        if text.validation:
            raise
    return TokenCorpus(config, vocabulary, train, validation, notes)


def _completed(
    config: Config, corpus: Corpus | Survey, notes: tuple[str, ...]
) -> tuple[Config, tuple[str, ...]]:
    completed = complete(config, corpus)
    return completed, (*notes, *said(config, completed))


def _documents(config: Config) -> tuple[Corpus, tuple[Document, ...], tuple[Document, ...]]:
    """The corpus, what is trained on and what is held out."""
    corpus, validation = load_corpus(config.text.corpus), config.text.validation
    if validation:
        return corpus, corpus.documents, load_corpus(validation).documents
    return corpus, *corpus.split(config.text.validation_share)


def _vocabulary(config: Config, corpus: Corpus, documents: Iterable[Document]) -> Vocabulary:
    text = config.text
    return build_vocabulary(
        text.vocabulary,
        [document.text for document in documents],
        min_count=text.min_count,
        max_size=text.max_size or None,
        unk=text.unknown == "unk",
        eos=text.vocabulary == "words" or len(corpus.documents) > 1,
    )
