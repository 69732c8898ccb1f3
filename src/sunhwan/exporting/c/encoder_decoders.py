"""Encoder-decoders in C: what of each goes into the file, and its comparison."""

import copy
import ctypes
import re
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sunhwan.data import Ragged
from sunhwan.exporting import predictor_checks
from sunhwan.exporting.c import encoder_decoder_code as code
from sunhwan.exporting.c.coding import KINDS, characters_code, named, tokens
from sunhwan.exporting.c.parts import begin_lines
from sunhwan.exporting.c.predictor_source import (
    Ending,
    Function,
    PredictorParts,
    pool_of,
    predictor_source,
)
from sunhwan.exporting.c.predictors import STEPS, about_network, read_of, scale_of
from sunhwan.exporting.c.reading import Texts, told
from sunhwan.exporting.c.source import CSource
from sunhwan.exporting.parity import checked
from sunhwan.exporting.predictor_checks import doubled, drawn, unscaled
from sunhwan.exporting.predictor_programs import (
    Level,
    head_program,
    levels_of,
    linear_program,
    read_program,
    score_program,
)
from sunhwan.models.decoder import Decoder
from sunhwan.models.encoder_decoder import EncoderDecoder, SequenceReader
from sunhwan.models.inputs import InputLayer, TokenInput, WordInput
from sunhwan.models.readers import LabelsInput, StepReader
from sunhwan.tasks.common.input_kind import InputKind
from sunhwan.text import Vocabulary

ENCODER_DECODERS = ("translate", "describe")
"""Names of the tasks."""
ROWS, WRITTEN = 3, 5
"""Rows and tokens at which a file is compared with the model."""


def input_of(model: EncoderDecoder) -> InputLayer:
    """The encoder."""
    reader = model.reader
    if isinstance(reader, SequenceReader):
        return reader.encoder.inputs
    assert isinstance(reader, StepReader)
    assert isinstance(reader.inputs, InputLayer)
    return reader.inputs


def encoder_decoder_source(task: Any, name: str, weights: str) -> CSource:
    """The file of an encoder-decoder; ConfigError for what has no form in C."""
    model, layer = task.model, input_of(task.model)
    decoder, reader, texts = model.decoder, model.reader, _texts(task.input_kind, name)
    sequence = isinstance(reader, SequenceReader)
    levels, pool = [], ("last", reader.summary_size, reader.summary_size)
    if isinstance(reader, SequenceReader):
        levels, pool = levels_of(reader.encoder.recurrent), pool_of(reader.pooling)
    network = PredictorParts(
        read_program(layer, scale_of(task)), levels, head_program(decoder.output)
    )
    kind = "int" if isinstance(layer, TokenInput | LabelsInput) else "float"
    parameters, arguments = f"const {kind} *read" + ", int steps" * sequence, "read"
    if isinstance(layer, WordInput):
        parameters, arguments = "const int *words, const int *letters, int steps", "words, letters"
    steps = _Steps(decoder)
    words = {
        "PARAMETERS": parameters, "ARGUMENTS": f"{arguments}, {'steps' if sequence else 1}",
        "COUNT": "steps" if sequence else "1", "FIRST": str(decoder.first.out_features),
        "RESET": steps.reset(), "TAKEN": steps.step(reader.summary_size), "VECTORS": steps.other,
        "SIZE": str(len(task.vocabulary)), "END": str(task.eos), "MOST": str(task.limit),
    }  # fmt: skip

    def filled(template: str) -> str:
        return re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[1]], template)

    body = steps.attend() + filled(code.START) + filled(code.STEP)
    declared = filled(code.DECLARED).replace(
        "REFUSED", " or a number is NaN or infinite" if kind == "float" else ""
    )
    if texts is not None:
        body += code.TEXT
        declared += code.DECLARED_TEXT + "\n".join(texts.declared) + "\n"
    usage = [
        " *   static void put(const char *text, void *to) { (void)to; fputs(text, stdout); }",
        " *   static struct NAME m;",
        (' *   NAME_text(&m, "a text", put, 0);   ' if texts else
         f" *   NAME_begin(&m, read{', steps' * sequence}); NAME_write(&m, put, 0);   ") + told(layer),
    ]  # fmt: skip
    ending = Ending(
        {}, "\n".join(usage), declared, body, fields=tuple(steps.fields), texts=texts,
        vocabularies=_coding(task.vocabulary, name), pool=pool,
        functions=steps.functions, written=tuple(steps.levels),
        tables=(("WRITTEN", decoder.inputs.embedding.weight.detach().float().numpy()),),
        numbers=steps.numbers, row=4 * steps.row,
    )  # fmt: skip
    about = f"{about_network(task.title.capitalize(), decoder.recurrent)}; greedy decoding."
    return predictor_source(name, about, network, ending, weights, STEPS if sequence else 1)


class _Steps:
    """The parts of the decoder: functions, fields of the struct, statements of its start and its step.

    other: the buffer that holds the vector which the logits are made of. numbers: of the struct beside the
    levels' state, row: of each step that was read.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.levels: list[Level] = levels_of(decoder.recurrent, "written")
        self.functions: list[Function] = [
            Function("first", linear_program(decoder.first, tanh=True)),
            Function("combine", linear_program(decoder.combine, tanh=True)),
        ]
        for depth, level in enumerate(self.levels):
            self.functions.append(Function(f"write_{depth}", level.directions[0], level.initial))
            if level.connect is not None:
                self.functions.append(Function(f"around_{depth}", level.connect))
        wide = max(
            decoder.combine.in_features, decoder.width,
            *(max(level.given, level.width, level.output) for level in self.levels),
        )  # fmt: skip
        self.fields = [f"float p[{wide}];", f"float q[{wide}];", "int held;"]
        self.numbers, self.row = 2 * wide + 1, 0
        if decoder.input_feeding:
            self.fields.append(f"float fed[{decoder.width}];")
            self.numbers += decoder.width
        self.wide, attention = 0, decoder.attention
        if attention is not None:
            self.fields += ["int steps;", "float weights[UPPER_STEPS];"]
            self.numbers, self.row, self.wide = self.numbers + 1, 1, attention.query_size
            if attention.kind == "additive":
                self.wide = attention.query.out_features
                self.functions.append(Function("ask", linear_program(attention.query)))
                self.functions.append(Function("fits", score_program(attention)))
            if attention.kind != "dot":
                self.functions.append(Function("project", linear_program(attention.key)))
                self.fields.append(f"float projected[UPPER_STEPS * {self.wide}];")
                self.row += self.wide
        self.other = "qp"[len(self.levels) % 2]

    def attend(self) -> str:
        attention = self.decoder.attention
        if attention is None:
            return ""
        additive = attention.kind == "additive"
        words = {
            "ASK": code.ASK if additive else "", "SCORE": code.ADDITIVE if additive else code.PRODUCT,
            "KEYS": "ROWS" if attention.kind == "dot" else "projected", "WIDE": str(self.wide),
        }  # fmt: skip
        made = code.ATTEND
        for word, text in words.items():
            made = made.replace(word, text)
        return made

    def reset(self) -> str:
        """The statements that make the state before the first token of `values`."""
        lines = begin_lines(self.levels)
        for depth, name, start, _ in self.decoder.summary_fields():
            field = f"m->written_{depth}_{name}"
            lines.append(f"    memcpy({field}, values + {start}, sizeof {field});")
        attention = self.decoder.attention
        if attention is not None:
            lines.append("    m->steps = steps;")
            if attention.kind != "dot":
                call = f"project(m, m->ROWS + t * STRIDE, m->projected + t * {self.wide});"
                lines.append(f"    for (int t = 0; t < m->steps; t++) {call}")
        if self.decoder.input_feeding:
            lines.append("    memset(m->fed, 0, sizeof m->fed);")
        return "\n".join(lines)

    def step(self, summary: int) -> str:
        """The statements from a token to the vector of the logits."""
        D = self.decoder.inputs.output_size
        lines = [
            f"    for (int j = 0; j < {D}; j++) m->p[j] = WRITTEN_BY WRITTEN[token * {D} + j];"
        ]
        at = D
        if self.decoder.attention is None:
            lines.append(f"    memcpy(m->p + {at}, m->v, sizeof m->v);")
            at += summary
        if self.decoder.input_feeding:
            lines.append(f"    memcpy(m->p + {at}, m->fed, sizeof m->fed);")
        here, there = "p", "q"
        for depth, level in enumerate(self.levels):
            lines.append(f"    write_{depth}(m, m->{here}, m->{there});")
            if level.connect is not None:
                lines.append(f"    around_{depth}(m, m->{here}, m->{there});")
            here, there = there, here
        H = self.decoder.recurrent.output_size
        if self.decoder.attention is not None:
            lines.append(f"    attend(m, m->{here}, m->{here} + {H});")
        else:
            lines.append(f"    memcpy(m->{here} + {H}, m->v, sizeof m->v);")
        lines.append(f"    combine(m, m->{here}, m->{there});")
        if self.decoder.input_feeding:
            lines.append(f"    memcpy(m->fed, m->{there}, sizeof m->fed);")
        return "\n".join(lines)


def _coding(vocabulary: Vocabulary, name: str) -> str:
    """The vocabulary that is written."""
    functions = KINDS[vocabulary.kind].replace("NAME_encode", "NAME_encode_written")
    if vocabulary.kind != "jamo":  # of others no token joins the one before
        functions = re.sub(
            r"(/\*[^\n]*\*/\n)?static int joins\(.*?\n}\n\n", "", functions, flags=re.S
        )
    return tokens(vocabulary) + characters_code(vocabulary.kind) + named(functions, name)


def _texts(kind: InputKind, name: str) -> Texts | None:
    """How a text is read, its names apart from those of the vocabulary that is written."""
    texts = Texts.of(kind, name)
    if texts is None:
        return None
    names = set(re.findall(r"^static [^\n=;({]*?(\w+)(?=\[|\()", texts.vocabularies, re.M))
    for members in re.findall(r"^enum \{(.*)\}", texts.vocabularies, re.M):
        names.update(re.findall(r"[A-Za-z_]\w*", members))
    names.update(re.findall(r"^struct (\w+)", texts.vocabularies, re.M))
    # Strings are matched as a whole, for there are tokens that are called as something of ours.
    pattern = r'"(?:[^"\\]|\\.)*"|\b(' + "|".join(names) + r")\b"

    def prefixed(text: str) -> str:
        return re.sub(pattern, lambda found: f"read_{found[1]}" if found[1] else found[0], text)

    return texts._replace(vocabularies=prefixed(texts.vocabularies), code=prefixed(texts.code))


class _Question(NamedTuple):
    """What is read in a comparison, and the tokens that are given one after the other."""

    batch: Ragged
    tokens: list[int]


@torch.no_grad()
def compare_encoder_decoder(
    library: ctypes.CDLL, name: str, task: Any, weights: str, struct: int
) -> float:
    """The largest deviation of log p in the compiled file; ConfigError where it is too large."""
    begin, step = getattr(library, f"{name}_begin"), getattr(library, f"{name}_step")
    model, draw, largest = task.model, torch.Generator().manual_seed(1), 0.0
    room, V = ctypes.create_string_buffer(struct), len(task.vocabulary)
    layer, scale = input_of(model), scale_of(task)
    for T in predictor_checks.LENGTHS:
        batch, given = drawn(layer, ROWS, T, draw)
        if scale is not None:
            batch, given = unscaled(batch, given, scale)
        written = [task.eos, *torch.randint(V, (WRITTEN - 1,), generator=draw).tolist()]
        question = _Question(batch, written)
        found = np.zeros((ROWS, WRITTEN, V), np.float32)
        for row in range(ROWS):
            *arrays, steps = read_of(given, "", row)
            begin(room, *(one.ctypes for one in arrays), *([steps] if "lengths" in given else []))
            for n, token in enumerate(written):
                step(room, token, found[row, n].ctypes)
        log_p = torch.log_softmax(torch.from_numpy(found).double(), -1).numpy()

        def exact(question: _Question = question) -> NDArray[Any]:
            whole = copy.deepcopy(model).double()
            return _log_p(whole, question._replace(batch=doubled(question.batch)))

        off = checked(
            f"{name}.c", "log p is", log_p.astype(np.float32), _log_p(model, question), exact,
            where=f" at {T} steps", weights=weights,
        )  # fmt: skip
        largest = max(largest, off)
    return largest


def _log_p(model: EncoderDecoder, question: _Question) -> NDArray[Any]:
    """log p (N, tokens, V) of the model."""
    state, rows = model.start(question.batch), list[Tensor]()
    for token in question.tokens:
        log_p, state, _ = model.step(torch.full((len(question.batch.values),), token), state)
        rows.append(log_p)
    found: NDArray[Any] = torch.stack(rows, 1).numpy()
    return found
