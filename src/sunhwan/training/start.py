"""Start of a training, from a configuration or from a run folder that is resumed."""

import dataclasses
import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from sunhwan.config import Config, with_source
from sunhwan.errors import ConfigError, DataError, NonFiniteError, StoreError, UsageError
from sunhwan.ops import fast_products, keep_freed_memory
from sunhwan.ops.precision import multiplies_bfloat16
from sunhwan.progress import listening
from sunhwan.store import Run
from sunhwan.tasks import TASKS, Prepared
from sunhwan.training.loggers import logged
from sunhwan.training.pretraining import (
    budgets,
    pretrain,
    refuse_before_reading,
    refuse_prepared,
)
from sunhwan.training.processes import (
    FollowerError,
    Processes,
    ProcessLostError,
    joined_processes,
)
from sunhwan.training.reporter import Reporter
from sunhwan.training.result import Result
from sunhwan.training.trainer import Trainer
from sunhwan.training.transfer import adopt, load_source, take_over, take_vectors


def train(
    config: Config | None = None,
    out: Path | str | None = None,
    *,
    reporter: Reporter | None = None,
    started: float | None = None,
    own_process: bool = False,
) -> Result:
    """Train a model and leave everything in a run folder.

    config: the task, what to read and how to learn; left out, a language model, three minutes on the
    standard library's source.
    out: the run folder to make; left out, a new one under runs/ named after corpus and time.
    started: the `time.perf_counter()` from which a budget in minutes counts.
    own_process: whether the process is there for this training alone, as the command's is: then
    `training.keep_memory` may change how the whole process frees memory, for good.

    Raises a SunhwanError, one sentence, for anything the user can mend. Nothing is written before
    the corpus was read and the model built.
    """
    config, notices = with_source(config or Config())
    config = _anchored(config)
    with joined_processes() as processes, _settings(config, own_process):
        prepared = processes.in_turn(lambda: _prepare(config, reporter, processes))
        if not processes.is_first:
            return _fit(Run(Path(out or "")), prepared, Reporter(), started, processes)
        folder = Path(out) if out is not None else _folder(config)
        reporter = logged(reporter or Reporter(), folder, config)
        with Run.create(folder, prepared.config) as run:
            for sentence in (*notices, *prepared.notes):
                reporter.say(sentence)
            return _fit(run, prepared, reporter, started, processes)


def resume(
    folder: Path | str,
    *,
    reporter: Reporter | None = None,
    started: float | None = None,
    own_process: bool = False,
) -> Result:
    """Continue a run from its newest checkpoint to the end of its budget, as if never stopped.

    `folder` is a run folder; StoreError when it is none, is damaged or in use.
    """
    with joined_processes() as processes:
        run = Run.open(Path(folder)) if processes.is_first else Run(Path(folder))
        with run if processes.is_first else nullcontext():
            config = processes.from_first(lambda: _config_to_resume(run))
            with _settings(config, own_process):
                prepared = processes.in_turn(lambda: _prepare(config, reporter, processes))
                if not processes.is_first:
                    return _fit(run, prepared, Reporter(), started, processes)
                reporter = logged(reporter or Reporter(), run.folder, config)
                return _fit(run, prepared, reporter, started, processes)


def _config_to_resume(run: Run) -> Config:
    config = run.config()
    # The weights are in the checkpoint: what they began from may be gone by now.
    return _without_sources(config) if run.checkpoints() else config


def _without_sources(config: Config) -> Config:
    return config.override({"training.start_from": "", "text.vectors": ""})


def _device(config: Config, processes: Processes) -> torch.device:
    """The device; ConfigError where several processes cannot do what is asked for."""
    name = config.training.device
    if processes.count > 1 and name not in ("auto", "cpu"):
        raise ConfigError(
            f"training.device is {name!r}, but several processes train on processors: set it to cpu"
        )
    if (
        processes.count * config.training.accumulate > 1
        and config.data.batches == "sentences"
        and config.training.temporal_activation_regularization
    ):
        raise ConfigError(
            "training.temporal_activation_regularization of sentences has no mean that parts of a batch "
            "could share: set it to 0, or data.batches to 'streams'"
        )
    device = torch.device("cpu") if processes.count > 1 else pick_device(name)
    if config.training.mixed_precision and not multiplies_bfloat16(device):
        raise ConfigError(
            f"training.mixed_precision: no units for bfloat16 were found on {device}, where products in it "
            "would be emulated and slow: leave it off"
        )
    return device


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
    text, built_in = config.text, TASKS[config.task.name].built_in
    given = config.sources or built_in[:1]
    if not given:
        raise UsageError(f"name the file to learn to {config.task.name} from")
    sources = [s if s in built_in else str(Path(s).absolute()) for s in given]
    validation = text.validation
    if validation and validation not in built_in:
        validation = str(Path(validation).absolute())
    vectors, source = text.vectors, config.training.start_from
    text = dataclasses.replace(
        text,
        validation=validation,
        vectors=str(Path(vectors).absolute()) if vectors else "",
    )
    start_from = str(Path(source).absolute()) if source else ""
    training = dataclasses.replace(config.training, start_from=start_from)
    config = dataclasses.replace(config, text=text, training=training)
    return config.override({config.source_setting: sources})


def _fit(
    run: Run, prepared: Prepared, reporter: Reporter, started: float | None, processes: Processes
) -> Result:
    config, task, train, validation, _ = prepared
    try:
        with _fitting(config, task.device):
            if config.training.pretrain:
                if processes.from_first(lambda: not run.checkpoints()):
                    first = pretrain(run, prepared, reporter.of_pretraining(), started, processes)
                    if first.stopped == "interrupted":
                        return first
                    started = time.perf_counter() - first.seconds
                config = dataclasses.replace(config, training=budgets(config.training)[1])
            trainer = Trainer(
                run, config, task, train, validation,
                reporter=reporter, started=started, processes=processes,
            )  # fmt: skip
            result = trainer.fit()
    except ProcessLostError as error:
        raise ProcessLostError(
            f"{error}: `sunhwan resume {run.folder}` goes on from its last checkpoint"
        ) from None
    except (NonFiniteError, DataError, StoreError):
        if processes.is_first:
            raise
        raise FollowerError from None  # these are the same in all of them
    if not processes.is_first:
        return result
    result = _beside_baselines(run, prepared, result)
    # Only now, for the plots' library takes longer to import than a short run to train.
    from sunhwan.plots import draw_losses

    draw_losses(run)
    return result


def _beside_baselines(run: Run, prepared: Prepared, result: Result) -> Result:
    """The result with the figures of simple methods, which the log tells too."""
    config, task, train, validation, _ = prepared
    if not config.training.baselines or result.best is None or result.stopped == "interrupted":
        return result
    limit = max(config.training.validation_tokens, 0)
    found = task.baselines(train, validation, result.best, limit=limit)
    if found is not None:
        run.log("baselines", step=result.steps, **found.to_dict())
    return dataclasses.replace(result, baselines=found)


def _prepare(config: Config, reporter: Reporter | None, processes: Processes) -> Prepared:
    """The task with its data, the model on its device."""
    told = (reporter or Reporter()).reading
    refuse_before_reading(config)
    device = _device(config, processes)
    torch.manual_seed(config.training.seed)
    kind = TASKS[config.task.name]
    source = load_source(config.training.start_from) if config.training.start_from else None
    with _fitting(config, device):
        with listening(told):
            prepared = kind.prepare(adopt(config, source) if source else config)
        refuse_prepared(prepared)
        notes = list(prepared.notes)
        if config.text.vectors:
            notes.append(take_vectors(config.text.vectors, prepared.task))
        if source:
            notes.append(take_over(source, prepared.task).summary())
        prepared = prepared._replace(notes=tuple(notes))
        prepared.task.model.to(device)
    return prepared


@contextmanager
def _fitting(config: Config, device: torch.device) -> Iterator[None]:
    """A lack of memory inside becomes a ConfigError that names what decides how much is needed."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        model, data = config.model, config.data
        sizes = {
            "model.hidden_size": model.hidden_size,
            "model.num_layers": model.num_layers,
            "data.batch_size": data.batch_size,
            "data.block_length": data.block_length,
        }
        said = ", ".join(f"{name} {value}" for name, value in sizes.items() if value)
        raise ConfigError(
            f"the data and the model do not fit in the memory of {device}"
            + (f" with {said}" if said else "")
            + ": lower one of these, or text.max_size where the vocabulary is large"
        ) from None


def _folder(config: Config) -> Path:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    corpus = "+".join(Path(source).name or source for source in config.sources)
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in corpus)
    return Path("runs") / f"{plain[:40].strip('-.') or 'run'}-{now}"


@contextmanager
def _settings(config: Config, own_process: bool) -> Iterator[None]:
    """What a run sets for the whole process, undone after it; what cannot be, if the process is ours."""
    threads = torch.get_num_threads()
    if own_process and config.training.keep_memory:
        keep_freed_memory()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        if config.training.threads:
            torch.set_num_threads(config.training.threads)
        with torch.random.fork_rng(devices), fast_products(config.training.fast_products):
            yield
    finally:
        torch.set_num_threads(threads)
