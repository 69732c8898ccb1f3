"""The configuration: frozen dataclasses ↔ TOML. Every setting says what it means and what it may be.

Zero (or an empty text) in a setting marked "auto" is chosen by `sunhwan.tasks.common.recipe` from the
size of the corpus and the budget; a run folder's config.toml holds the choice, never the zero.
"""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, Self, TypeVar, cast, get_args, get_origin, get_type_hints

import tomli_w

from sunhwan.errors import ConfigError, did_you_mean, quoted
from sunhwan.files import SETTINGS, parse_toml, read_plain
from sunhwan.registry import ALIASES, CELLS, TASKS

TEMPERATURE = 0.8
"""Of sampling: a little bolder than the model believes, for fewer slips in a short text."""

Value = str | int | float | bool | tuple[str, ...] | tuple[int, ...]


def setting(
    default: Value,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Collection[str] = (),
    besides: str = "",
) -> Any:
    """A documented field: its default, its meaning, and what it may be.

    `besides`: texts that contain this may be given as well as the choices.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "besides": besides}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TaskConfig:
    """What the model is asked, and where in a file question and answer stand.

    A task that has more settings than these says so in its own `settings.py`; see `TaskSettings`.
    """

    name: str = setting("language_model", "the job", choices=TASKS)
    input: tuple[str, ...] = setting(
        (), "columns that are read; empty: found by name; two of classify: a pair of texts"
    )
    target: str = setting("", "column of the answer; empty: found by name")
    kind: str = setting(
        "",
        "what the input is: text; words with their letters; frames (files of vectors, sound); "
        "vector (numbers, an image); labels; empty: auto",
        choices=("", "text", "words", "frames", "vector", "labels"),
    )
    image_size: int = setting(
        0,
        "of a vector: the side of the square it is, row by row, and images are made; 0: auto",
        low=0,
        high=256,
    )


@dataclass(frozen=True)
class TextConfig:
    """What is read and how it becomes tokens."""

    corpus: tuple[str, ...] = setting(
        ("stdlib",),
        "of a language model: built-in name (stdlib, korean, hello), file, folder or glob; several "
        "are joined",
    )
    column: str = setting(
        "",
        "read the files as tables (CSV, JSON Lines, Parquet), each cell of this column as a document",
    )
    tokens: str = setting(
        "",
        "where the encoded text is kept: memory, or a file in the cache folder; empty: auto, a file "
        "from 16 MB of text on",
        choices=("", "memory", "file"),
    )
    validation: str = setting("", "a file to validate on; empty: a share of the corpus")
    validation_share: float = setting(
        0.1, "share of each text, from its end, kept for validation", low=0, high=0.9
    )
    vocabulary: str = setting(
        "",
        "kind of token; empty: auto",
        choices=("", "bytes", "characters", "words", "jamo", "subwords"),
    )
    min_count: int = setting(
        1, "a rarer character or word becomes UNK; of subwords, a rarer pair is not merged", low=1
    )
    max_size: int = setting(
        0,
        "keep at most this many tokens, the most frequent; 0: all; of subwords 8000 at most",
        low=0,
    )
    vectors: str = setting(
        "", "a file of pretrained word vectors (word2vec, GloVe, fastText .vec) to begin with"
    )
    unknown: str = setting(
        "", "the unseen becomes UNK or is left out; empty: auto", choices=("", "unk", "drop")
    )


@dataclass(frozen=True)
class DataConfig:
    """Which examples there are, and how tokens and examples become batches."""

    source: tuple[str, ...] = setting(
        (),
        "of every other task: its table, treebank or series, or a built-in name; several are joined",
    )
    strict: bool = setting(
        False, "refuse a table with rows that hold no answer, which are left out otherwise"
    )
    batches: str = setting(
        "streams",
        "of a language model: streams, N places of the text that read on with their state; or sentences, "
        "N lines at a time, each from the initial state and read as a whole",
        choices=("streams", "sentences"),
    )
    batch_size: int = setting(0, "N: parallel streams of text; 0: auto", low=0, high=65536)
    block_length: int = setting(
        0, "T: steps between two cuts of the gradient (truncated BPTT); 0: auto", low=0, high=10**7
    )
    reset_probability: float = setting(
        0.01,
        "chance that a stream forgets its state at a block's start, so that a cold start is learned",
        low=0,
        high=1,
    )


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    cell: str | tuple[str, ...] = setting(
        "lstm",
        "the recurrence, or a list of one a layer; FILE.py:CLASS is one of your own",
        choices=(*CELLS, *ALIASES),
        besides=".py:",
    )
    hidden_size: int | tuple[int, ...] = setting(
        0, "H: hidden units a layer, or a list of one a layer; 0: auto", low=0, high=65536
    )
    num_layers: int = setting(0, "depth; 0: auto", low=0, high=256)
    input: str = setting(
        "",
        "how a token enters: an embedding; one-hot; or number, its place 1, 2, 3 … in the vocabulary, an "
        "order that means nothing; empty: auto",
        choices=("", "embedding", "one-hot", "number"),
    )
    embedding_size: int = setting(0, "D: size of the embedding; 0: auto", low=0, high=65536)
    connection: str = setting(
        "none",
        "what goes around each layer from the second on",
        choices=("none", "residual", "highway", "dense"),
    )
    layer_norm: bool = setting(False, "normalise what goes from layer to layer")
    dropout: float = setting(
        -1.0, "share of activations dropped in training; -1: auto", low=-1, high=0.95
    )
    locked_dropout: bool = setting(
        False, "drop the same activations at every step of a block (variational dropout)"
    )
    embedding_dropout: float = setting(
        0.0, "share of the vocabulary dropped from a block's input", low=0, high=0.95
    )
    weight_drop: float = setting(
        0.0, "share of the entries of W_h dropped for a block (DropConnect)", low=0, high=0.95
    )
    recurrent_dropout: float = setting(
        0.0, "share of h dropped on its way to W_h, the same all block long", low=0, high=0.95
    )
    zoneout: float = setting(0.0, "chance that a unit of h keeps its value", low=0, high=0.95)
    zoneout_cell: float = setting(
        0.0, "chance that a unit of the cell state keeps its value", low=0, high=0.95
    )
    tied: bool = setting(
        False, "use the embedding as the output layer too (Press and Wolf 2017); D becomes H"
    )
    bias: bool = setting(True, "whether the gates have biases")
    learned_initial_state: bool = setting(True, "whether the state before the text is learned")
    start: str = setting(
        "",
        "how W_h begins: orthogonal; uniform, in ±1/√H; identity; scaled, Gaussian of a spectral radius "
        "near model.start_scale; empty: as the cell's literature says",
        choices=("", "orthogonal", "uniform", "identity", "scaled"),
    )
    start_scale: float = setting(1.0, "what W_h is multiplied with at the start", low=0, high=1000)
    direction: str = setting(
        "",
        "whether a text that is read, not written, is read from both ends; empty: auto",
        choices=("", "forward", "both"),
    )
    letter_size: int = setting(
        64,
        "of words: size of a letter's vector, and of each direction that reads a word's letters",
        low=1,
        high=65536,
    )
    word_dropout: float = setting(
        0.25,
        "of words: share that in training is read by its letters alone",
        low=0,
        high=0.95,
    )

    @property
    def bidirectional(self) -> bool:
        """Whether what is read is read from both ends."""
        return self.direction == "both"

    @property
    def cells(self) -> tuple[str, ...]:
        """The names of the cells: one for all layers, or one a layer."""
        return (self.cell,) if isinstance(self.cell, str) else self.cell

    @property
    def sizes(self) -> tuple[int, ...]:
        """The hidden sizes: one for all layers, or one a layer."""
        return (self.hidden_size,) if isinstance(self.hidden_size, int) else self.hidden_size


@dataclass(frozen=True)
class TrainingConfig:
    """How it learns, and for how long."""

    minutes: float = setting(0.0, "budget on the clock, start-up and validation included", low=0)
    steps: int = setting(0, "budget in steps", low=0)
    epochs: float = setting(
        0.0, "budget in passes; no budget at all: 3 minutes, less for a small text", low=0
    )
    start_from: str = setting(
        "", "a run or model folder of a language model whose reading of text to begin with"
    )
    seed: int = setting(1, "seed of all random numbers", low=0, high=2**63 - 1)
    optimizer: str = setting(
        "muon", "how gradients become steps", choices=("sgd", "adam", "adamw", "muon")
    )
    learning_rate: float = setting(0.0, "peak step size; 0: auto", low=0, high=10**6)
    weight_decay: float = setting(
        0.25,
        "under muon and adamw, the recurrent matrices shrink each step by learning rate × this",
        low=0,
    )
    momentum: float = setting(0.9, "of sgd", low=0, high=0.9999)
    muon_products: str = setting(
        "",
        "of muon: precision of the products that make a step orthogonal; empty: float32 on a CPU, "
        "bfloat16 elsewhere",
        choices=("", "float32", "bfloat16"),
    )
    schedule: str = setting(
        "cosine",
        "the step size over time: warm-up then cosine to zero, shrink on a plateau, or constant",
        choices=("cosine", "plateau", "constant"),
    )
    warmup: int = setting(
        100, "steps over which the step size rises, a tenth of all at most", low=0
    )
    plateau_patience: int = setting(2, "validations without gain before shrinking", low=1)
    plateau_factor: float = setting(
        0.5, "what the step size is multiplied with then", low=0, high=1
    )
    clip_norm: float = setting(1.0, "largest norm of the whole gradient; 0: no limit", low=0)
    clip_value: float = setting(0.0, "largest entry of the gradient; 0: no limit", low=0)
    activation_regularization: float = setting(
        0.0, "α: weight of the mean square of the outputs in the objective", low=0
    )
    temporal_activation_regularization: float = setting(
        0.0, "β: weight of the mean square of the outputs' change from step to step", low=0
    )
    label_smoothing: float = setting(
        -1.0,
        "share of the target's mass spread over all labels or tokens; -1: auto",
        low=-1,
        high=0.9,
    )
    accumulate: int = setting(
        1,
        "parts of each batch whose gradients are computed one after another and added up: the step of "
        "the whole batch in the memory of a part",
        low=1,
        high=65536,
    )
    average: float = setting(
        0.0,
        "decay of an exponential moving average of the weights, which is validated and kept in their "
        "place, such as 0.999; 0: none",
        low=0,
        high=0.999999,
    )
    bptt_memory: str = setting(
        "full",
        "keep every step for the backward pass, or about 2 √T of them and compute each step twice",
        choices=("full", "sqrt"),
    )
    validations: int = setting(10, "validations spread over the budget", low=1)
    validate_every: int = setting(0, "steps between validations; 0: by `validations`", low=0)
    validation_tokens: int = setting(
        131072, "tokens scored in one validation, spread over the text; 0: all", low=0
    )
    early_stopping: int = setting(0, "stop after so many validations without gain; 0: never", low=0)
    stop_loss: float = setting(
        -1.0,
        "stop when the mean training loss between two validations is below this: all is learned; "
        "0: never; -1: auto",
        low=-1,
    )
    checkpoint_seconds: float = setting(30.0, "seconds between checkpoints", low=0)
    checkpoint_every: int = setting(0, "steps between checkpoints; 0: by the clock", low=0)
    sample_length: int = setting(160, "tokens of the sample written at each validation", low=0)
    device: str = setting("auto", "where it runs: auto, cpu, cuda, cuda:1, mps")
    threads: int = setting(0, "processor threads; 0: PyTorch's choice", low=0, high=1024)
    fast_products: bool = setting(
        True, "let float32 matrix products take the fastest route (bfloat16 or TF32 where native)"
    )
    keep_memory: bool = setting(
        True, "keep the memory that a step frees for the next one (CPU, glibc, the command line)"
    )
    baselines: bool = setting(
        True, "compare the kept model with simple methods on the validation rows, at the end"
    )
    tensorboard: bool = setting(False, "write TensorBoard events too (needs sunhwan[tensorboard])")


class TaskSettings(NamedTuple):
    """What a task adds to the settings of all: subclasses of sections that have more keys."""

    task: type[TaskConfig] = TaskConfig
    model: type[ModelConfig] = ModelConfig
    training: type[TrainingConfig] = TrainingConfig
    source: str = "data.source"
    """The setting that names what is read."""

    def sections(self) -> dict[str, Any]:
        """The sections of a configuration, with the type of each."""
        added = {"task": self.task, "model": self.model, "training": self.training}
        return get_type_hints(Config) | added


def task_settings(name: str) -> TaskSettings:
    """The settings of a registered task."""
    package = TASKS[name].partition(":")[0].rpartition(".")[0]
    found: TaskSettings = import_module(f"{package}.settings").SETTINGS
    return found


Section = TypeVar("Section")


def own(section: object, kind: type[Section]) -> Section:
    """A section as the type that a task's settings give it; ConfigError where it is of another task."""
    if not isinstance(section, kind):
        raise ConfigError(
            f"the configuration is of another task: it has a {type(section).__name__}, not a "
            f"{kind.__name__}; set task.name"
        )
    return section


@dataclass(frozen=True)
class Config:
    """All settings of a run, in sections."""

    task: TaskConfig = TaskConfig()
    text: TextConfig = TextConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], where: str = "the configuration", *, saved: bool = False
    ) -> Self:
        """Sections of keys → Config; ConfigError names an unknown key or an unusable value.

        A key of another task is left out where it has its default, as versions before 0.2 wrote it;
        saved: whatever it has, for nothing reads it.
        """
        sections = {}
        task = _task_of(values)
        kinds = task_settings(task).sections()
        _check_names(values, kinds, "section", where)
        for name, kind in kinds.items():
            given = values.get(name, {})
            if not isinstance(given, Mapping):
                raise ConfigError(f"[{name}] in {where} must be a section of key = value lines")
            types = get_type_hints(kind)
            given = _without_others(given, name, types, task, where, saved)
            _check_names(given, types, "key", f"[{name}] of {where}")
            sections[name] = kind(
                **{
                    f.name: _convert(given[f.name], types[f.name], f, f"{name}.{f.name} in {where}")
                    for f in fields(kind)
                    if f.name in given
                }
            )
        return cls(**sections)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file; ConfigError names the file, the line or the key."""
        return cls.from_dict(read_toml(path)[1], str(path))

    @property
    def source_setting(self) -> str:
        """The setting that names what the task reads."""
        return task_settings(self.task.name).source

    @property
    def sources(self) -> tuple[str, ...]:
        """What the task reads: files, or built-in names; () where nothing was named."""
        return self.text.corpus if self.source_setting == "text.corpus" else self.data.source

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values, ready for TOML or JSON."""
        return {
            section: {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in values.items()
            }
            for section, values in dataclasses.asdict(self).items()
        }

    def to_toml(self) -> str:
        """The whole configuration as TOML text."""
        return tomli_w.dumps(self.to_dict())

    def override(self, assignments: Mapping[str, Any], where: str = "--set") -> Self:
        """A copy with `section.key` values replaced; values may be TOML text, as typed in a shell."""
        values = self.to_dict()
        for name, value in assignments.items():
            section, dot, key = name.partition(".")
            if not dot:
                raise ConfigError(
                    f"{where} {name}: write section.key=value, say model.hidden_size=64"
                )
            values.setdefault(section, {})[key] = value
        return type(self).from_dict(values, where)


def read_toml(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A TOML file: what a run folder's has above its sections, and the sections.

    ConfigError names the file and the line.
    """
    try:
        values = parse_toml(read_plain(path, SETTINGS).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8: save it as UTF-8") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return {name: values.pop(name) for name in STAMP if name in values}, values


STAMP = ("format", "sunhwan")
"""Above the sections of a run folder's config.toml: the format's version, and that of sunhwan."""


def with_source(config: Config) -> tuple[Config, tuple[str, ...]]:
    """The configuration with its sources in the setting of its task, and a notice where they moved.

    ConfigError: a source stands where its task does not read it.
    """
    moved = config.text.corpus != TextConfig().corpus
    if config.data.batches != "streams" and config.task.name != "language_model":
        raise ConfigError(
            "data.batches is a setting of language models, the examples of other tasks are apart anyway: "
            "leave it out"
        )
    if config.model.input == "number" and config.task.name != "language_model":
        raise ConfigError("model.input 'number' is for language models: leave it out")
    if config.source_setting == "text.corpus":
        if config.data.source:
            raise ConfigError("data.source is not read by a language model: use text.corpus")
        return config, ()
    if not moved:
        return config, ()
    if config.data.source:
        raise ConfigError("text.corpus is read by language models alone: leave it out")
    source = {"data.source": config.text.corpus, "text.corpus": TextConfig().corpus}
    return config.override(source), (
        f"text.corpus of the task {config.task.name} is now called data.source: rename it, for from "
        "version 0.3 on it will be refused",
    )


class Setting(NamedTuple):
    """One documented setting, for listings."""

    name: str
    default: Value
    help: str
    choices: tuple[str, ...]


def settings() -> Iterator[Setting]:
    """Every setting with its default and meaning, in order; those of some tasks after those of all."""
    for section in fields(Config):
        for f in fields(cast(Any, section.default)):
            yield _setting(section.name, f)
        for f, tasks in _added(section.name).values():
            yield _setting(section.name, f, f"of {', '.join(tasks)}: ")


def _setting(section: str, f: Any, prefix: str = "") -> Setting:
    default, help = cast(Value, f.default), prefix + f.metadata["help"]
    return Setting(f"{section}.{f.name}", default, help, tuple(f.metadata["choices"]))


def _added(section: str) -> dict[str, tuple[Any, list[str]]]:
    """The keys that tasks add to a section: the field of each, and the names of the tasks."""
    shared = {f.name for f in fields(get_type_hints(Config)[section])}
    found: dict[str, tuple[Any, list[str]]] = {}
    for task in TASKS:
        for f in fields(task_settings(task).sections()[section]):
            if f.name not in shared:
                found.setdefault(f.name, (f, []))[1].append(task)
    return found


def _task_of(values: Mapping[str, Any]) -> str:
    """The task that sections are of; that of no task where its name is wrong, which is said later."""
    section = values.get("task", {})
    name = section.get("name") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) and name in TASKS else Config().task.name


def _without_others(
    given: Mapping[str, Any],
    section: str,
    types: Mapping[str, Any],
    task: str,
    where: str,
    saved: bool,
) -> Mapping[str, Any]:
    unknown = given.keys() - types.keys()
    others = {key: added for key, added in _added(section).items() if key in unknown}
    for key, (f, tasks) in others.items():
        value = tuple(given[key]) if isinstance(given[key], list) else given[key]
        if not saved and value != f.default:
            raise ConfigError(
                f"{section}.{key} in {where} is a setting of {' and '.join(tasks)}, and the task is "
                f"{task}: leave it out"
            )
    return {key: value for key, value in given.items() if key not in others}


def parse_assignment(text: str) -> tuple[str, Any]:
    """`section.key=value` → (name, value): the value as TOML, or else as plain text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write section.key=value, say model.hidden_size=64")
    try:
        found = parse_toml(f"value = {value}")
    except ValueError:
        return name.strip(), value
    return name.strip(), found["value"] if found.keys() == {"value"} else value


def _check_names(
    values: Mapping[str, Any], known: Mapping[str, Any], what: str, where: str
) -> None:
    for name in values:
        if name not in known:
            raise ConfigError(
                f"unknown {what} {quoted(name)} in {where}{did_you_mean(str(name), known)}: it can be "
                f"{', '.join(known)}"
            )


def _convert(value: Any, kind: Any, f: Any, name: str) -> Value:
    if isinstance(kind, UnionType):
        # One for all, or a list of them.
        one, _ = get_args(kind)
        if not isinstance(value, list | tuple):
            return _convert(value, one, f, name)
        if not value:
            raise ConfigError(f"{name} is an empty list: give one value, or one a layer")
        return cast(Value, tuple(_convert(v, one, f, name) for v in value))
    if get_origin(kind) is tuple and get_args(kind)[0] is str:
        value = (value,) if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{name} must be a text or a list of texts, not {quoted(value)}")
        return tuple(_text(v, name) for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1023 else math.inf
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{name} must be {_KINDS[kind]}, not {quoted(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
    low, high, choices = (f.metadata[key] for key in ("low", "high", "choices"))
    if isinstance(value, int | float) and not (
        (low is None or value >= low) and (high is None or value <= high) and value == value
    ):
        bounds = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise ConfigError(f"{name} must be {bounds}, not {quoted(value)}")
    besides = f.metadata["besides"]
    if choices and value not in choices and not (besides and besides in str(value)):
        raise ConfigError(
            f"{name} must be one of {', '.join(map(repr, choices))}, not {quoted(value)}"
            f"{did_you_mean(str(value), map(str, choices))}"
        )
    return _text(value, name) if isinstance(value, str) else cast(Value, value)


def _text(value: str, name: str) -> str:
    """The same, if it can be written down: the name of a file can be bytes that are no text."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name} is {quoted(value)}, which is not UTF-8: rename the file"
        ) from None
    return value


_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
