"""From a configuration or a run folder to a trained model."""

import dataclasses
import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from sunhwan.config import Config
from sunhwan.data import Tokens, encode
from sunhwan.errors import ConfigError, DataError
from sunhwan.models import LanguageModel
from sunhwan.ops import fast_products
from sunhwan.store import Run
from sunhwan.text import BUILT_IN, Corpus, Document, Vocabulary, build_vocabulary, load_corpus
from sunhwan.training.recipe import complete
from sunhwan.training.reporter import Reporter
from sunhwan.training.tensorboard import TensorBoardReporter
from sunhwan.training.trainer import Result, Trainer


def train(
    config: Config | None = None,
    out: Path | str | None = None,
    *,
    reporter: Reporter | None = None,
    started: float | None = None,
) -> Result:
    """Train a language model and leave everything in a run folder.

    config: what to read and how to learn; left out, three minutes on the standard library's source.
    out: the run folder to make; left out, a new one under runs/ named after corpus and time.
    started: the `time.perf_counter()` from which a budget in minutes counts.

    Raises a SunhwanError, one sentence, for anything the user can mend. Nothing is written before
    the corpus was read and the model built.
    """
    config = config or Config()
    corpus = load_corpus(config.text.corpus)
    config = complete(_anchored(config), corpus)
    with _settings(config):
        parts = _parts(config, corpus)
        folder = Path(out) if out is not None else _folder(corpus.name)
        reporter = _watching(config, folder, reporter)
        with Run.create(folder, config) as run:
            return _fit(run, config, parts, reporter, started)


def resume(
    folder: Path | str, *, reporter: Reporter | None = None, started: float | None = None
) -> Result:
    """Continue a run from its newest checkpoint to the end of its budget, as if never stopped.

    `folder` is a run folder; StoreError when it is none, is damaged or in use.
    """
    with Run.open(Path(folder)) as run:
        config = run.config()
        corpus = load_corpus(config.text.corpus)
        with _settings(config):
            parts = _parts(config, corpus)
            reporter = _watching(config, run.folder, reporter)
            return _fit(run, config, parts, reporter, started)


def pick_device(name: str) -> torch.device:
    """ "auto" → CUDA, else Apple's MPS, else the CPU; a ConfigError for a device that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"device {name!r} cannot be used here ({reason}): try auto or cpu"
        ) from None
    return device


def _anchored(config: Config) -> Config:
    """The same with absolute paths, so that the run can be resumed from any folder."""
    text = config.text
    corpus = tuple(s if s in BUILT_IN else str(Path(s).absolute()) for s in text.corpus)
    validation = text.validation
    if validation and validation not in BUILT_IN:
        validation = str(Path(validation).absolute())
    text = dataclasses.replace(text, corpus=corpus, validation=validation)
    return dataclasses.replace(config, text=text)


class _Parts(NamedTuple):
    model: LanguageModel
    vocabulary: Vocabulary
    train: Tokens
    validation: Tokens | None


def _fit(
    run: Run, config: Config, parts: _Parts, reporter: Reporter, started: float | None
) -> Result:
    result = Trainer(run, config, *parts, reporter=reporter, started=started).fit()
    # Only now, for the plots' library takes longer to import than a short run to train.
    from sunhwan.plots import draw_losses

    draw_losses(run)
    return result


def _watching(config: Config, folder: Path, reporter: Reporter | None) -> Reporter:
    reporter = reporter or Reporter()
    if config.training.tensorboard:
        return TensorBoardReporter(folder / "tensorboard", reporter)
    return reporter


def _parts(config: Config, corpus: Corpus) -> _Parts:
    text = config.text
    if text.validation:
        documents: tuple[Document, ...] = corpus.documents
        held_out = load_corpus(text.validation).documents
    else:
        documents, held_out = corpus.split(text.validation_share)
    vocabulary = build_vocabulary(
        text.vocabulary,
        (document.text for document in documents),
        min_count=text.min_count,
        max_size=text.max_size or None,
        unk=text.unknown == "unk",
        eos=text.vocabulary == "words" or len(corpus.documents) > 1,
    )
    tokens = encode(vocabulary, documents, corpus.name)
    try:
        validation = encode(vocabulary, held_out, "the validation text")
    except DataError:
        if text.validation:
            raise
        validation = None
    return _Parts(_model(config, len(vocabulary)), vocabulary, tokens, validation)


def _model(config: Config, vocabulary_size: int) -> LanguageModel:
    device = pick_device(config.training.device)
    torch.manual_seed(config.training.seed)
    try:
        return LanguageModel(config.model, vocabulary_size).to(device)
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        raise ConfigError(
            f"a model of hidden size {config.model.hidden_size} with {config.model.num_layers} "
            f"layers does not fit in the memory of {device}: lower model.hidden_size"
        ) from None


def _folder(corpus: str) -> Path:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = (
        "".join(c if c.isalnum() or c in "-_." else "-" for c in corpus)[:40].strip("-.") or "run"
    )
    return Path("runs") / f"{name}-{now}"


@contextmanager
def _settings(config: Config) -> Iterator[None]:
    threads = torch.get_num_threads()
    try:
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        with fast_products(config.training.fast_products):
            yield
    finally:
        torch.set_num_threads(threads)
