"""A text unrolled over HTTP: every number of each step, forward and backward."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sunhwan.serve.json_text import json_of
from sunhwan.serve.models import Loaded
from sunhwan.serve.schemas import StepsOf
from sunhwan.serve.service import Service

UNITS = 12
"""Of a vector, so many numbers are sent; of a softmax, the likeliest."""

SHOWN = ("W_x", "W_h")
"""The parameters whose shares are sent."""


async def stepped(service: Service, loaded: Loaded, body: StepsOf) -> bytes:
    """A text unrolled; see `sunhwan.inspection.measures.unrolled_text.unroll_text`."""
    service.check(len(body.text), service.limits.explained, "characters", 413)

    def work() -> bytes:
        from sunhwan.inspection import hello_model, unroll_text
        from sunhwan.inspection.hello import following

        task, then = loaded.task, body.then
        if body.example:
            task = hello_model(body.cell, trained=body.example == "after")
            then = then or following(body.text)
        found = unroll_text(
            task, body.text, then=then,
            block_length=body.block_length, bptt_length=body.bptt_length,
        )  # fmt: skip
        return json_of(
            {
                "cells": found.cells,
                "then": then,
                "loss": found.loss,
                "norms": [_some(own) for own in found.gradient_norms],
                "blocks": found.blocks,
                "anew": found.anew,
                "initial": [_initial(found, layer) for layer in range(len(found.cells))],
                "update": _update(found),
                "steps": [_step(found.labels, step) for step in found.steps],
            }
        )

    return await loaded.apart(work)


def _initial(found: Any, layer: int) -> dict[str, Any]:
    """The learned initial state of a layer: its fields, and their gradient."""
    own, back = found.weights[layer], found.gradients[layer]
    names = found.initial_fields(layer)
    return {name: [_numbers(own[name]), _numbers(back[name])] for name in names}


def _update(found: Any) -> dict[str, Any]:
    """The matrices of each layer, the output layer last: before, gradient, after; of the embedding the
    rows that were read."""
    parts = (
        [*found.weights, found.output_weights],
        [*found.gradients, found.output_gradients],
        [*found.update.weights, found.update.output_weights],
    )
    return {
        "rate": found.update.learning_rate,
        "loss": found.update.loss,
        "embedding": _embedding(found),
        "layers": [
            {name: [_corner(part[name]) for part in layer] for name in layer[0]}
            for layer in zip(*parts, strict=True)
        ],
    }


def _embedding(found: Any) -> dict[str, Any] | None:
    if found.embedding is None:
        return None
    ids = found.tokens_read[:UNITS]
    parts = (found.embedding, found.embedding_gradient, found.update.embedding)
    return {
        "labels": [found.labels[token] for token in ids],
        "parts": [_corner(part[ids]) | {"size": part.shape} for part in parts],
    }


def _corner(matrix: np.ndarray) -> dict[str, Any]:
    rows = np.atleast_2d(matrix)
    return {"size": rows.shape, "first": rows[:UNITS, :UNITS].tolist()}


def _step(labels: list[str], step: Any) -> dict[str, Any]:
    order = list(range(len(step.y)))
    if len(step.y) > UNITS:
        order = np.argsort(step.softmax)[::-1][:UNITS].tolist()
    layers = []
    for forward, backward in zip(step.layers, step.backward, strict=True):
        layers.append(
            {
                "x": _numbers(forward.x),
                "sums": _vectors(forward.pre_activation),
                "gates": _vectors(forward.gates),
                "state": _vectors(forward.state),
                "norms": backward.norms,
                "gradient": _vectors(backward.gradient),
                "shares": {name: own._asdict() for name, own in _some(backward.shares).items()},
            }
        )
    return {
        "label": step.label,
        "block": step.block,
        "layers": layers,
        "outputs": [
            {"label": labels[k], "y": float(step.y[k]), "p": float(step.softmax[k])} for k in order
        ],
        "target": None if step.target is None else labels[step.target],
        "loss": step.loss,
    }


def _some(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in SHOWN if name in values}


def _numbers(vector: np.ndarray) -> dict[str, Any]:
    return {"size": len(vector), "first": vector[:UNITS].tolist()}


def _vectors(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: _numbers(value) for name, value in values.items()}
