"""Checks of predictors: random batches, and what a classifier, a tagger, a forecaster says to them."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sunhwan.data import Ragged
from sunhwan.exporting.parity import Check, Numbers, Wanted
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput, WordInput
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput
from sunhwan.tasks.answer.task import AnswerQuestions
from sunhwan.tasks.classify.task import Classify
from sunhwan.tasks.forecast.task import Forecast
from sunhwan.tasks.tag.task import Tag

BATCHES, LENGTHS = (1, 3, 17), (1, 2, 50, 333)
"""At which a file is compared with the model."""

Answer = Callable[[nn.Module, list[Ragged]], Mapping[str, Wanted]]


class Scale(NamedTuple):
    """Of what is read, before it is given to a model: (x − mean) / deviation."""

    mean: Numbers | Any
    deviation: Numbers | Any


class PredictorIO(NamedTuple):
    """Inputs and outputs of a predictor: ends of its inputs' names, outputs, steps that each row has."""

    suffixes: Sequence[str]
    answer: Answer
    least: int = 0


def _classify(task: Classify) -> PredictorIO:
    count = task.input_kind.sequences(len(task.columns.inputs))
    return PredictorIO(["", "_2"][:count], lambda by, batches: {"logits": by(batches).numpy()})


def _tag(task: Tag) -> PredictorIO:
    def answer(by: nn.Module, batches: list[Ragged]) -> Mapping[str, Wanted]:
        (batch,) = batches

        def decoded(found: Numbers) -> np.ndarray[Any, Any]:
            """The labels of the file's own emissions, which nearly equal scores may not change."""
            with torch.no_grad():
                labels = task.model.decode(torch.from_numpy(found["emissions"]), batch.lengths)
            return torch.where(batch.is_real(), labels, 0).numpy()

        return {"emissions": by(batch).numpy(), "labels": decoded}

    return PredictorIO([""], answer)


def _forecast(task: Forecast) -> PredictorIO:
    return PredictorIO(
        [""], lambda by, batches: {"quantiles": by(batches[0]).numpy()}, task.horizon
    )


def _passage(task: AnswerQuestions) -> PredictorIO:
    return PredictorIO(["", "_2"], lambda by, batches: {"weights": by(*batches).numpy()})


ASKED: dict[str, Callable[[Any], PredictorIO]] = {
    "classify": _classify, "tag": _tag, "forecast": _forecast, "answer": _passage,
}  # fmt: skip
"""By task."""


@torch.no_grad()
def prediction_checks(task: Any, file: str, scale: Scale | None = None) -> Iterator[Check]:
    """Expected outputs of a file for random batches; scale: that it applies itself."""
    asked, model = ASKED[task.name](task), task.model
    layer, draw = model.encoder.inputs, torch.Generator().manual_seed(1)
    whole = copy.deepcopy(model).double()
    for N in BATCHES:
        for T in LENGTHS:
            batches: list[Ragged] = []
            given: Numbers = {}
            for suffix in asked.suffixes:
                batch, named = drawn(layer, N, T + asked.least, draw, suffix)
                if asked.least:
                    batch = batch._replace(lengths=batch.lengths.clamp(min=asked.least + 1))
                    named[f"lengths{suffix}"] = batch.lengths.numpy()
                if scale is not None:
                    batch, named = unscaled(batch, named, scale)
                batches.append(batch)
                given |= named
            exact = partial(_exact, asked.answer, whole, batches)
            where = f"batch {N}, {T + asked.least} steps"
            yield Check(file, given, asked.answer(model, batches), exact, where)


def unscaled(batch: Ragged, named: Numbers, scale: Scale) -> tuple[Ragged, Numbers]:
    """Numbers as they are read, and what the model is given of them."""
    mean, deviation = (np.asarray(part, np.float32) for part in scale)
    (name,) = (name for name, value in named.items() if value.dtype == np.float32)
    raw = named[name] * deviation + mean
    values = torch.from_numpy((raw - mean) / deviation).reshape(batch.values.shape)
    return batch._replace(values=values), {**named, name: raw}


@torch.no_grad()
def _exact(answer: Answer, whole: nn.Module, batches: list[Ragged]) -> Mapping[str, Wanted]:
    """In float64."""
    return answer(whole, [doubled(batch) for batch in batches])


def doubled(batch: Ragged) -> Ragged:
    """Floats in float64."""
    values = batch.values
    return batch._replace(values=values.double() if values.is_floating_point() else values)


def in_precision_of(model: nn.Module, batch: Ragged) -> Ragged:
    """A batch as a model in float32 or in float64 reads it."""
    return doubled(batch) if next(model.parameters()).dtype == torch.float64 else batch


def drawn(
    layer: InputLayer, rows: int, steps: int, draw: torch.Generator, suffix: str = ""
) -> tuple[Ragged, Numbers]:
    """A random batch for the model, and the same under the names of the graph's inputs."""
    lengths = torch.randint(1, steps + 1, (rows,), generator=draw)
    lengths[0] = steps
    if rows > 1:
        lengths[1] = 0  # a row of no steps
    given: dict[str, Tensor] = {f"lengths{suffix}": lengths}
    if isinstance(layer, TokenInput):
        values = torch.randint(layer.embedding.num_embeddings, (rows, steps), generator=draw)
        given[f"tokens{suffix}"] = values
    elif isinstance(layer, FrameInput):
        values = torch.randn(rows, steps, layer.linear.in_features, generator=draw)
        given[f"frames{suffix}"] = values
    elif isinstance(layer, WordInput):
        words = torch.randint(layer.words.num_embeddings, (rows, steps, 1), generator=draw)
        letters = torch.randint(layer.letters.num_embeddings, (rows, steps, 9), generator=draw)
        spelled = torch.randint(10, (rows, steps, 1), generator=draw)
        letters = torch.where(torch.arange(9) < spelled, letters, -1)
        values = torch.cat((words, letters), -1)
        given |= {f"words{suffix}": words[..., 0], f"letters{suffix}": letters}
    else:
        lengths = torch.ones(rows, dtype=torch.int64)
        if isinstance(layer, LabelsInput):
            columns = [
                torch.randint(e.num_embeddings, (rows, 1), generator=draw) for e in _tables(layer)
            ]
            values, name = torch.cat(columns, 1), "labels"
        else:
            values = torch.randn(rows, _width(layer), generator=draw)
            name = "numbers"
        given = {f"{name}{suffix}": values}
        values = values.unsqueeze(1)
    return Ragged(values, lengths), {name: value.numpy() for name, value in given.items()}


def _tables(layer: LabelsInput) -> list[nn.Embedding]:
    return [e for e in layer.embeddings if isinstance(e, nn.Embedding)]


def _width(layer: InputLayer) -> int:
    if isinstance(layer, ImageInput):
        return layer.side**2
    assert isinstance(layer, VectorInput)
    first = layer.layers[0]
    assert isinstance(first, nn.Linear)
    return first.in_features
