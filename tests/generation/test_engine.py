"""The compiled engine: its numbers against the model's, its draws against the definition."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from sunhwan.cells import CELLS, Cell
from sunhwan.cells.own import OWN
from sunhwan.config import Config, ModelConfig
from sunhwan.errors import NonFiniteError, UsageError
from sunhwan.generation import (
    Engine,
    RowRequest,
    SamplingFilters,
    bits_lost,
    engine_for,
    filtered_probabilities,
    sample,
    sample_at,
    stream,
    support,
    unsupported,
)
from sunhwan.generation import engine as engine_module
from sunhwan.generation.choice import MOST_LOST
from sunhwan.models import LanguageModel
from sunhwan.ops.library import library, why_missing
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import Vocabulary, build_vocabulary
from tests.laws import test_own_structure
from tests.program.test_program import OWN as CELLS_OF_ONES_OWN
from tests.program.test_program import Attending, Functions, Heads
from tests.program.test_program_kernels import Leaky, Scaled
from tests.tiers import and_deep

STEPS = and_deep(
    [Leaky(), Heads(), Attending(), test_own_structure.SumUp(), test_own_structure.Gains()],
    (kind() for kind in CELLS_OF_ONES_OWN if kind not in (Functions, Heads, Attending)),
)

built = pytest.mark.skipif(library() is None, reason="the compiled library is not there")


def build(V: int = 7, **options: Any) -> LanguageModel:
    torch.manual_seed(1)
    settings = {
        "cell": "lstm", "hidden_size": 19, "num_layers": 2, "embedding_size": 5,
        "input": "embedding", "dropout": 0.3,
    }  # fmt: skip
    model = LanguageModel(ModelConfig(**(settings | options)), V)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model.eval()


def own(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> LanguageModel:
    """A model of a cell of one's own."""
    monkeypatch.setitem(OWN, "test.py:Own", cell)
    return build(len(ENGLISH), cell="test.py:Own", hidden_size=16)


def ids_for(model: LanguageModel, N: int = 3, T: int = 11) -> Tensor:
    draw = torch.Generator().manual_seed(2)
    return torch.randint(model.vocabulary_size, (N, T), generator=draw)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"V": 97, "hidden_size": (33, 64, 5), "num_layers": 3},
    {"input": "one-hot", "hidden_size": 1},
    {"tied": True, "hidden_size": 16},
    {"connection": "residual", "num_layers": 3, "bias": False},
    {"zoneout": 0.2, "zoneout_cell": 0.4, "learned_initial_state": False},
    {"cell": ("gru", "lstm"), "hidden_size": (8, 12)},
    {"hidden_size": 130, "num_layers": 1, "V": 1},
]
OPTIONS += [{"cell": name, "hidden_size": 21} for name in CELLS]
PROGRAMS: list[dict[str, Any]] = [
    {"layer_norm": True, "connection": "dense", "cell": ("gru", "lstm_layer_norm"), "hidden_size": 21},
    {"connection": "highway", "num_layers": 3, "cell": "lstm_projected", "hidden_size": 20, "tied": True},
    {"lag": 3, "cell": "gru_reset_before"},
    {"lag": 2, "input": "one-hot"},
    {"connection": "dense", "input": "one-hot"},
    {"zoneout": 0.2, "zoneout_cell": 0.4, "cell": "lstm_layer_norm", "connection": "residual"},
]  # fmt: skip
CASES = and_deep([*OPTIONS, *PROGRAMS[:4]], PROGRAMS)


@built
def test_the_cells_with_a_kernel_are_there() -> None:
    programs = {n for n in CELLS if not support.is_compiled(build(cell=n), 0)}
    two_products = {"gru_reset_before", "lstm_multiplicative", "lstm_projected"}
    assert programs == {n for n in CELLS if "norm" in n} | two_products


def close(got: Tensor, wanted: Tensor, share: float) -> None:
    assert float((got - wanted).abs().max()) <= share * max(1.0, float(wanted.abs().max()))


@built
@pytest.mark.parametrize("options", CASES, ids=str)
def test_logits_and_state_are_those_of_the_model(options: dict[str, Any]) -> None:
    model = build(**options)
    ids = ids_for(model)
    with torch.no_grad():
        wanted, last = model(ids)
    for precision, share in (("fp32", 1e-5), ("fp16", 0.02), ("int8", 0.3)):
        engine = Engine(model, precision)
        state = engine.initial_state(3)
        first = engine.read(ids[:, :4], state)
        close(torch.cat([first, engine.read(ids[:, 4:], state)], 1), wanted, share)
        close(state, torch.cat([field for layer in last for field in layer], 1), share)


@built
def test_a_large_vocabulary_keeps_its_embedding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MAX_TABLE", 10)
    for cell in ("lstm", "lstm_layer_norm"):
        test_logits_and_state_are_those_of_the_model({"V": 13, "cell": cell})


@built
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("instructions", ["portable", "avx2", "avx512"])
def test_rows_and_threads_change_no_bit(precision: str, instructions: str) -> None:
    found = library()
    assert found is not None
    before = found.instructions
    try:
        found.use_instructions(instructions)
    except UsageError:
        pytest.skip("not on this processor")
    try:
        cells = ("gru", "lstm", "lstm_layer_norm", "gru_reset_before")
        model = build(V=70, hidden_size=(37, 90, 40, 33), num_layers=4, cell=cells)
        for N in (1, 2, 5, 13, 64):
            ids = ids_for(model, N, 6)
            one, two = (Engine(model, precision, threads) for threads in (1, 2))
            together, alone, shared = (
                one.initial_state(N),
                one.initial_state(N),
                one.initial_state(N),
            )
            wanted = one.read(ids, together)
            assert torch.equal(two.read(ids, shared), wanted)
            assert torch.equal(shared, together)
            for n in range(N):
                part = one.read(ids[n : n + 1], alone[n : n + 1])
                assert torch.equal(part[0], wanted[n])
            assert torch.equal(alone, together)
        with torch.no_grad():
            close(wanted, model(ids)[0], {"fp32": 1e-5, "fp16": 0.02, "int8": 0.3}[precision])
    finally:
        found.use_instructions(before)


@built
def test_a_crowded_machine_changes_no_bit() -> None:
    """Where threads wait for each other too long one of them goes on alone, in the middle of a text."""
    model = build(V=70, hidden_size=96, cell=("lstm", "lstm_layer_norm"))
    ids = ids_for(model, 2, 20_000)
    one, two = (Engine(model, "fp32", threads) for threads in (1, 2))
    state = one.initial_state(2)
    expected = one.read(ids, state)
    command = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    others = [
        subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        for other in others:
            assert other.stdout is not None
            other.stdout.readline()  # it has begun
        for _ in range(2):
            after = two.initial_state(2)
            assert torch.equal(two.read(ids, after), expected)
            assert torch.equal(after, state)
    finally:
        for other in others:
            other.kill()
            other.communicate()


@built
def test_float16_is_that_of_torch() -> None:
    """Weights of every size, the smallest and halfway ones too, through a product with one."""
    model = build(V=4001, cell="elman", hidden_size=1, num_layers=1)
    draw = torch.Generator().manual_seed(4)
    values = torch.randn(4001, generator=draw) * 10 ** torch.empty(4001).uniform_(-9, 4.5)
    values[:6] = torch.tensor([0.0, -0.0, 65504.0, 2**-24, 1.5 * 2**-24, 1 + 2**-11])
    with torch.no_grad():
        model.output.weight[:, 0] = values
        model.output.bias.zero_()
        # h = tanh(1000) = 1.
        for name, p in model.recurrent.named_parameters():
            p.fill_(1000.0 if name.endswith("b") else 0.0)
    engine = Engine(model, "fp16")
    got = engine.read(torch.tensor([[0]]), engine.initial_state(1))[0, 0]
    assert torch.equal(got, values.half().float())


@built
def test_resets_start_a_row_afresh() -> None:
    model = build()
    ids = ids_for(model)
    resets = torch.zeros(3, 11, dtype=torch.bool)
    resets[0, 0] = resets[1, 3] = resets[2, 3] = resets[0, 10] = True
    with torch.no_grad():
        wanted, last = model(ids, None, resets)
        again, _ = model(ids, last)
    engine = Engine(model, "fp32")
    got, state = engine(ids, None, resets)
    close(got, wanted, 1e-5)
    close(engine(ids, state)[0], again, 1e-5)


SETTINGS: list[dict[str, Any]] = [
    {}, {"temperature": 0.0}, {"temperature": 1.3}, {"top_k": 3}, {"top_p": 0.7},
    {"temperature": 0.9, "top_k": 5, "top_p": 0.8}, {"top_k": 100}, {"top_p": 1e-9},
]  # fmt: skip


@built
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_draws_are_those_of_the_definition(settings: dict[str, Any]) -> None:
    """Each token is the one that the filtered probabilities and its number give; also with ties."""
    model = build(V=12, num_layers=1)
    with torch.no_grad():
        for one, other in ((3, 4), (8, 2)):
            model.output.weight[one] = model.output.weight[other]
            model.output.bias[one] = model.output.bias[other]
    never, first = torch.zeros(2, 12, dtype=torch.bool)
    never[5] = first[[1, 2, 3]] = True
    engine = Engine(model, "fp32")
    options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | settings
    filters = SamplingFilters(**options, never=never, first=first)
    uniforms = torch.rand(600, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    uniforms[:2] = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    (result,) = engine.run_rows([RowRequest([4], None, uniforms, filters)])
    ids = torch.tensor(result.drawn)
    logits = engine.read(torch.cat([torch.tensor([4]), ids[:-1]])[None], engine.initial_state(1))[0]
    for k, (row, u) in enumerate(zip(logits, uniforms.tolist(), strict=True)):
        row = row.masked_fill(never | first if k == 0 else never, -math.inf)
        assert int(ids[k]) == sample_at(filtered_probabilities(row, **options), u), k


ENGLISH = build_vocabulary("characters", ["abcdefg \n"])
KOREAN = build_vocabulary("jamo", ["각난다을 "])
DOCUMENTS = build_vocabulary("characters", ["abc"], eos=True)


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "library", lambda: None)


WRITTEN = [*SETTINGS[:6], {"until_eos": True}, {"length": 0}, {"length": 1}]


def same_texts(
    monkeypatch: pytest.MonkeyPatch, vocabulary: Vocabulary, prompt: str, options: dict[str, Any]
) -> None:
    model = build(len(vocabulary))
    ours = sample(model, vocabulary, prompt, precision="fp32", **options)
    without_library(monkeypatch)
    assert sample(model, vocabulary, prompt, precision="fp32", **options) == ours
    if options.get("temperature") != 0 and options["length"] > 1:
        assert len({one.text for one in ours}) == options["n"]


@built
@pytest.mark.parametrize("settings", WRITTEN, ids=str)
def test_the_same_seed_gives_the_same_text_without_the_library(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    same_texts(monkeypatch, ENGLISH, "a", {"n": 1, "length": 150} | settings)


@built
@pytest.mark.parametrize("vocabulary", [KOREAN, DOCUMENTS], ids=lambda v: v.kind)
@pytest.mark.parametrize("prompt", ["", "a", "나는 오"])
@pytest.mark.parametrize("settings", WRITTEN[4:], ids=str)
def test_and_so_do_other_vocabularies_and_prompts(
    vocabulary: Vocabulary,
    prompt: str,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    same_texts(monkeypatch, vocabulary, prompt, {"n": 2, "length": 30} | settings)


@built
def test_many_texts_are_those_of_each_seed_alone() -> None:
    model = build(len(DOCUMENTS))
    for precision in ("fp16", "int8"):
        options: dict[str, Any] = {"length": 30, "until_eos": True, "precision": precision}
        for one in sample(model, DOCUMENTS, "a", n=70, seed=-3, **options):
            alone = stream(model, DOCUMENTS, "a", seed=one.seed, **options)
            assert "".join(alone) == one.text


@built
def test_an_engine_is_the_model_as_it_was() -> None:
    model = build()
    ids = ids_for(model)
    engine = Engine(model, "fp32")
    wanted = engine.read(ids, engine.initial_state(3))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert torch.equal(engine.read(ids, engine.initial_state(3)), wanted)


@built
@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            test_own_structure.Sorted(),
            r"aten.sort.default is no operation of programs (test_own_st",
        ),
        (
            test_own_structure.ByValue(),
            "decides by the values of a tensor (test_own_structure.py, l",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_it_cannot_run_is_left_to_torch(
    cell: Cell, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = own(cell, monkeypatch)
    engine, reason = engine_for(model)
    assert engine is None
    assert said in reason
    assert len(sample(model, ENGLISH, length=9)[0].text) == 9
    with pytest.raises(UsageError, match=re.escape(said)):
        sample(model, ENGLISH, length=9, precision="int8")


@built
@pytest.mark.parametrize("cell", STEPS, ids=lambda cell: type(cell).__name__)
def test_a_cell_of_one_s_own_is_run_by_its_program(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = own(cell, monkeypatch)
    ids = ids_for(model)
    assert unsupported(model) == ""
    with torch.no_grad():
        wanted, last = model(ids)
    engine = Engine(model, "fp32", 2)
    state = engine.initial_state(3)
    close(engine.read(ids, state), wanted, 1e-5)
    close(state, torch.cat([field for layer in last for field in layer], 1), 1e-5)


@built
def test_a_number_that_a_step_reads_besides_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    for by in (1.0, 0.3):
        monkeypatch.setattr(Scaled, "by", by)
        test_a_cell_of_one_s_own_is_run_by_its_program(Scaled(), monkeypatch)


@built
def test_other_models_are_left_to_torch() -> None:
    class Own(LanguageModel):
        pass

    assert "Own" in unsupported(Own(build().config, 7))
    assert "float64" in unsupported(build().double())
    large = build()
    with torch.no_grad():
        large.output.bias[0] = 1e6
    assert unsupported(large) == ""
    assert "beyond fp16" in unsupported(large, "fp16")
    assert engine_for(large)[0].precision == "fp32"  # type: ignore[union-attr]


@built
def test_auto_takes_fp16_only_where_it_costs_next_to_nothing() -> None:
    model = build()
    with torch.no_grad():
        model.output.weight.mul_(10)
    whole, half, coarse = (Engine(model, precision) for precision in ("fp32", "fp16", "int8"))
    assert bits_lost(whole, whole) == 0
    assert 0 < bits_lost(whole, half) < MOST_LOST
    assert bits_lost(whole, half) < bits_lost(whole, coarse) < 1
    engine, reason = engine_for(model)
    wanted = "fp32" if "no instructions" in reason else "fp16"
    assert engine is not None
    assert engine.precision == wanted
    with torch.no_grad():
        # What tells the tokens apart is now lost in the rounding of what they have in common.
        model.output.weight.add_(1000)
    assert bits_lost(Engine(model, "fp32"), Engine(model, "fp16")) > MOST_LOST
    engine, reason = engine_for(model)
    assert engine is not None
    assert engine.precision == "fp32"
    assert "cost" in reason or "no instructions" in reason


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    without_library(monkeypatch)
    engine, reason = engine_for(build())
    assert (engine, reason) == (None, f"the compiled library was {why_missing()}")
    assert engine_for(build(), "fp32")[0] is None
    with pytest.raises(UsageError, match=r"not built|switched off"):
        engine_for(build(), "fp16")


@pytest.mark.parametrize("compiled", [True, False])
def test_numbers_that_are_none_are_an_error(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        without_library(monkeypatch)
    model = build(len(ENGLISH))
    with torch.no_grad():
        model.output.bias[2] = math.nan
    with pytest.raises(NonFiniteError, match="not finite"):
        sample(model, ENGLISH, length=5, precision="fp32")


@built
def test_ids_and_states_are_checked() -> None:
    engine = Engine(build(), "fp32")
    state = engine.initial_state(2)
    for ids in (torch.tensor([[7], [0]]), torch.tensor([[-1], [0]]), torch.tensor([[0]])):
        with pytest.raises(ValueError, match=r"id|state"):
            engine.read(ids, state)


@built
def test_fewer_bits_lose_little() -> None:
    model = build(len(ENGLISH))
    text = sample(model, ENGLISH, length=3000, precision="fp32")[0].text
    language = LanguageModelTask(Config(), ENGLISH, model)
    found = [language.evaluate_text(text, p).bits_per_character for p in ("fp32", "fp16", "int8")]
    assert all(
        abs(b - a) < limit for (a, b), limit in zip(pairwise(found), (1e-3, 0.05), strict=True)
    )


@built
def test_rows_take_a_step_each_with_its_own_options() -> None:
    """Reading and drawing side by side, each row what it is alone."""
    model = build(V=12)
    engine = Engine(model, "fp32")
    ids, draw = ids_for(model, 6, 9), torch.Generator().manual_seed(5)
    never = torch.arange(12) < 3
    begun = engine.run_rows([RowRequest([7], None, torch.rand(0), SamplingFilters())])[0].state
    before = begun.clone()
    requests = [
        RowRequest(
            ids[n, : 1 + n].tolist(), (None, begun)[n % 2],
            torch.rand((0, 7, 1, 4, 0, 7)[n], dtype=torch.float64, generator=draw),
            SamplingFilters(0.5 + n / 4, n, 1 - n / 10, (-1, 5)[n % 2], (None, never)[n % 2], never),
            n % 3 == 0,
        )
        for n in range(6)
    ]  # fmt: skip
    for request, together in zip(requests, engine.run_rows(requests), strict=True):
        (alone,) = engine.run_rows([request])
        assert together.drawn == alone.drawn
        assert len(together.drawn) == len(request.uniforms) or together.drawn[-1] == 5
        assert torch.equal(together.state, alone.state)
        drawn = torch.tensor(together.drawn, dtype=torch.int64)
        assert request.filters.never is None or not never[drawn].any()
        assert not never[drawn[:1]].any()
        assert (together.logits is not None) == request.logits
        if together.logits is not None and alone.logits is not None:
            state = engine.initial_state(1) if request.state is None else begun.clone()
            wanted = engine.read(torch.tensor([request.ids]), state)[0]
            assert torch.equal(together.logits, wanted)
            assert torch.equal(together.logits, alone.logits)
    assert torch.equal(begun, before), "a step changes no state"


@built
def test_a_validation_sample_packs_one_engine_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a text in fp16 would cost: the precision stays the same from one to the next."""
    packed = []
    init = Engine.__init__

    def counted(self: Engine, model: LanguageModel, precision: str, *rest: Any) -> None:
        packed.append(precision)
        init(self, model, precision, *rest)

    model = build(len(ENGLISH))
    task = LanguageModelTask(replace(Config(), model=model.config), ENGLISH, model)
    monkeypatch.setattr(Engine, "__init__", counted)
    for scale in (1.0, 30.0):  # the second costs too much in fp16
        with torch.no_grad():
            model.output.weight *= scale
        packed.clear()
        text = task.validation_sample(None, 40)
        assert packed == ["fp32"]
        assert text == sample(model, ENGLISH, length=40, precision="fp32")[0].text
