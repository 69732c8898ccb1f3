"""The sections of a configuration: frozen dataclasses whose fields say what they mean and may be.

Zero (or an empty text) in a setting marked "auto" is chosen by `sunhwan.tasks.common.recipe` from the
size of the corpus and the budget; a run folder's config.toml holds the choice, never the zero.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

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
    """The task, and where in a file its questions and answers stand.

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
    """The text to read, and how it becomes tokens."""

    corpus: tuple[str, ...] = setting(
        ("stdlib",),
        "of a language model: built-in name (stdlib, korean, hello), file, folder or glob; several "
        "are joined",
    )
    column: str = setting(
        "",
        "read the files as tables (CSV, JSON Lines, Parquet, Arrow), each cell of this column as a "
        "document",
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
        False,
        "refuse a table with empty lines or rows that hold no answer, which are left out otherwise",
    )
    batches: str = setting(
        "streams",
        "of a language model: streams, N places of the text that read on with their state; or sentences, "
        "N lines at a time, each from the initial state and read as a whole",
        choices=("streams", "sentences"),
    )
    batch_size: int = setting(0, "N: parallel streams of text; 0: auto", low=0, high=65536)
    block_length: int = setting(
        0,
        "T: steps of a block, after which weights are updated and the gradient is cut (truncated BPTT; "
        "k1 where bptt_length is k2); 0: auto",
        low=0,
        high=10**7,
    )
    bptt_length: int = setting(
        0,
        "k2: steps that the gradient goes back from a block's end, where it is to be more than the T new "
        "ones (Williams and Peng 1990); 0: T",
        low=0,
        high=10**7,
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
    tied: bool | str = setting(
        "",
        "use the embedding as the output layer too (Press and Wolf 2017); D becomes H; empty: auto",
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
    lag: int = setting(
        0,
        "k: each layer also reads its own output of k steps before, a skip connection over time, 2 at "
        "least; 0: none",
        low=0,
        high=10_000,
    )
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
        "", "a run or model folder, of any task that reads text, whose reading to begin with"
    )
    pretrain: float = setting(
        0.0,
        "share of the budget in which a language model first learns the texts of the task, which then "
        "begins with what it has learned; --pretrain: 0.33; 0: none",
        low=0,
        high=0.9,
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
        -1, "tokens scored in one validation, spread over the text; 0: all; -1: auto", low=-1
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
    mixed_precision: bool = setting(
        False, "matrix products in bfloat16; weights, states and loss stay in float32"
    )
    keep_memory: bool = setting(
        True, "keep the memory that a step frees for the next one (CPU, glibc, the command line)"
    )
    baselines: bool = setting(
        True, "compare the kept model with simple methods on the validation rows, at the end"
    )
    tensorboard: bool = setting(False, "write TensorBoard events too (needs sunhwan[tensorboard])")
    wandb: bool = setting(
        False, "log to Weights & Biases too, as its own settings have it (needs sunhwan[wandb])"
    )
    mlflow: bool = setting(
        False, "log to MLflow too, as its own settings have it (needs sunhwan[mlflow])"
    )


SECTIONS: dict[str, Any] = {
    "task": TaskConfig,
    "text": TextConfig,
    "data": DataConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
}
"""The section of each name, as all tasks have it."""
