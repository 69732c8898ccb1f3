"""Encoders as parts of a page: recurrent stacks step by step, input layers, pooling, n-grams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting import loops
from sunhwan.exporting.predictor_programs import levels_of
from sunhwan.layers import Attention, Pooling, Recurrent
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput, WordInput
from sunhwan.models.ngrams import NgramLinear
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput
from sunhwan.program import Program
from sunhwan.program.operations import Numbers


@dataclass
class PageParts:
    """Parts of a page, from a model: arrays by name, sources of steps in order, numbers of memory."""

    arrays: dict[str, Numbers] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    room: int = 0
    tables: dict[int, str] = field(default_factory=dict)
    """Names of arrays by where their numbers lie, for those that stand in two places of a model."""

    def array(self, name: str, value: torch.Tensor | Numbers) -> str:
        """Keep numbers under a name."""
        numbers = value.detach().float().numpy() if isinstance(value, torch.Tensor) else value
        self.arrays[name] = np.asarray(numbers, np.float32)
        return name

    def linear(self, name: str, layer: nn.Linear) -> dict[str, Any]:
        """x → x W + b; W lies as PyTorch keeps it, unit by unit."""
        return self.product(name, layer.weight, layer.bias)

    def product(self, name: str, W: torch.Tensor, b: torch.Tensor | None) -> dict[str, Any]:
        """The same of W (units, features) and b; a W that is kept already is not kept again."""
        self.room += sum(W.shape)
        kept = self.tables.setdefault(W.data_ptr(), f"{name} W")
        bias = None if b is None else self.array(f"{name} b", b)
        return {"W": self.array(kept, W), "b": bias, "units": len(W)}

    def table(self, name: str, embedding: nn.Embedding) -> str:
        """Rows of an embedding."""
        return self.array(
            self.tables.setdefault(embedding.weight.data_ptr(), name), embedding.weight
        )

    def stack(self, recurrent: Recurrent) -> list[dict[str, Any]]:
        """The levels of a stack: the numbers of their steps."""
        if recurrent.merge != "concat":
            raise ConfigError("a page puts both directions side by side, and adds them nowhere")
        levels = []
        for level in levels_of(recurrent):
            made: dict[str, Any] = {
                "layers": [self.step(program, level.initial) for program in level.directions]
            }
            if level.connect is not None:
                made["connection"] = self.step(level.connect, {})
            levels.append(made)
        return levels

    def step(self, program: Program, initial: Mapping[str, Numbers]) -> int:
        """A program on arrays of its own, "x" and its state → "out" and its state: its number."""
        number, made = len(self.steps), loops.statements(program, loops.JAVASCRIPT)
        lines = []
        for name, numbers in made.arrays.items():
            rows = made.matrices.get(name)
            kept = numbers if rows is None else numbers.reshape(rows, -1).T
            lines.append(f'const {name} = array("{self.array(f"{number} {name}", kept)}");')
        lines += [f"const {name} = {numbers.tolist()};" for name, numbers in made.tables.items()]
        sizes = {"scratch": max(made.scratch, 1)}
        for name, place in [*program.inputs.items(), *program.results.items()]:
            sizes[name] = max(sizes.get(name, 0), program.operations[place].size)
        lines += [f"const {name} = floats({size});" for name, size in sizes.items()]
        self.room += sum(sizes.values())
        starts = [f"{name}.set({initial[name].tolist()});" for name in sizes if name in initial]
        body = "\n  ".join("\n".join(made.lines).split("\n"))
        lines += [
            f"const reset = () => {{ {' '.join(starts)} }};",
            f"const step = () => {{\n  {body}\n}};",
        ]
        size = program.operations[program.results["out"]].size
        state = ", ".join(name for name in sizes if name in initial)
        lines.append(f"return {{ x, out, size: {size}, state: {{ {state} }}, reset, step }};")
        self.steps.append("(() => {\n" + "\n".join(lines) + "\n})()")
        return number

    def inputs(self, layer: InputLayer) -> dict[str, Any]:
        """An input layer."""
        if isinstance(layer, TokenInput):
            table = self.table("tokens", layer.embedding)
            return {"tokens": table, "size": layer.output_size}
        if isinstance(layer, WordInput):
            return {
                "words": self.array("words", layer.words.weight),
                "size": layer.words.embedding_dim,
                "letters": self.array("letters", layer.letters.weight),
                "letterSize": layer.letters.embedding_dim,
                "onward": self.stack(layer.onward),
                "back": self.stack(layer.back),
                "spelled": 2 * layer.onward.output_size,
            }
        if isinstance(layer, FrameInput):
            return {"frames": self.linear("frames", layer.linear)}
        if isinstance(layer, LabelsInput):
            return {"tables": self._label_tables(layer)}
        assert isinstance(layer, VectorInput | ImageInput)
        return {"layers": self._step_layers(layer)}

    def _label_tables(self, layer: LabelsInput) -> list[dict[str, Any]]:
        tables = []
        for column, embedding in enumerate(layer.embeddings):
            assert isinstance(embedding, nn.Embedding)
            name = self.table(f"labels {column}", embedding)
            tables.append({"table": name, "size": embedding.embedding_dim})
        return tables

    def _step_layers(self, layer: VectorInput | ImageInput) -> list[Any]:
        side, layers = getattr(layer, "side", 0), list[Any]()
        for number, module in enumerate(layer.layers.children()):
            name = f"reader {number}"
            if isinstance(module, nn.Conv2d):
                made = self.product(name, module.weight.flatten(1), module.bias)
                stride = module.stride[0]
                layers.append(
                    {**made, "channels": module.in_channels, "side": side, "stride": stride}
                )
                side = -(-side // stride)
            elif isinstance(module, nn.Linear):
                layers.append(self.linear(name, module))
            elif isinstance(module, nn.ReLU):
                layers.append("relu")
        return layers

    def pooling(self, layer: Pooling) -> dict[str, Any]:
        """One vector of all steps."""
        facts: dict[str, Any] = {"kind": layer.kind, "directions": layer.directions}
        facts["size"] = layer.size
        if layer.kind == "attention":
            facts["hidden"] = self.linear("pooling hidden", layer.hidden)
            facts["score"] = self.linear("pooling score", layer.score)
        return facts

    def attention(self, layer: Attention) -> dict[str, Any]:
        """Attention over rows."""
        names = {"additive": ("query", "key", "score"), "general": ("key",), "dot": ()}
        found: dict[str, Any] = {"size": layer.key_size}
        for name in names[layer.kind]:
            found[name] = self.linear(f"attention {name}", getattr(layer, name))
        return found

    def ngrams(self, layer: NgramLinear) -> dict[str, Any]:
        """The linear model of n-grams; words are hashed by their letters."""
        tables = ("folded", "spelled", "powers") if layer.words else ()
        return {
            "buckets": layer.buckets,
            "longest": layer.longest,
            "weight": self.array("ngrams weight", layer.weight),
            "frequency": self.array("ngrams frequency", layer.frequency),
            "bias": layer.bias.tolist(),
            **{name: getattr(layer, name).tolist() for name in tables},
        }

    def source(self) -> str:
        """The steps as JavaScript."""
        return "const STEPS = [\n" + ",\n".join(self.steps) + "\n];\n"
