"""A subject computes what its task computes, and reads what its task reads."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sunhwan.errors import UsageError
from sunhwan.inspection.subjects import (
    EncoderDecoderSubject,
    LanguageModelSubject,
    Passage,
    Subject,
    subject_of,
)
from sunhwan.layers import Look, observing
from sunhwan.metrics import evaluate_tokens
from sunhwan.text import build_vocabulary
from tests.inspection.subjects import NAMES, TEXT, Made, make
from tests.layers.helpers import assert_close, assert_identical
from tests.serve.helpers import language

each_task = pytest.mark.parametrize("name", NAMES)
LOOKS = list(Look)
LINES = "나는 산에\n너는 강에\n달\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {name: make(name, tmp_path_factory.mktemp(name)) for name in NAMES}


# Losses.


@each_task
def test_losses_are_those_of_the_task(name: str, made: dict[str, Made]) -> None:
    subject, config, prepared = made[name]
    passages = subject.held_out(config)
    with torch.no_grad():
        seen = subject.observe(passages, Look.STATES)
    if name == "language_model":
        wanted = evaluate_tokens(prepared.task.model, prepared.validation).loss
    else:
        wanted = prepared.task.evaluate_data(prepared.validation).loss
    assert float(seen.losses[seen.real].mean()) == pytest.approx(wanted, rel=1e-10)
    assert not seen.losses[~seen.real].any()


def test_losses_of_a_tagger_with_a_crf_are_those_of_its_emissions(tmp_path: Path) -> None:
    subject, config, _ = make("tag", tmp_path, model__output_layer="crf")
    passages = subject.held_out(config)[:5]
    with torch.no_grad():
        seen = subject.observe(passages)
        batch = subject.task.collate([p.given for p in passages])
        wanted = torch.log_softmax(subject.task.model.eval()(batch.inputs), -1)
    for n, passage in enumerate(passages):
        for t, label in enumerate(passage.given.target.tolist()):
            assert_close(seen.losses[n, t], -wanted[n, t, label])


def test_a_model_of_sentences_is_looked_at_as_it_reads() -> None:
    model = language(build_vocabulary("characters", [LINES]), cell="gru", num_layers=2)
    model.training = {"batches": "sentences"}
    subject = subject_of(model)
    (passage,) = subject.passages(LINES)
    with torch.no_grad():
        seen = subject.observe([passage])
    scores = [line.log_probability for line in model.score(LINES.splitlines())]
    assert float(seen.losses.sum()) == pytest.approx(-sum(scores), rel=1e-5)
    line = subject.continued(LINES + "나")
    assert line.labels[:-1] == subject.passages(LINES + "나")[0].labels
    assert line.labels[-1] == subject.continued("나").labels[-1]


@each_task
def test_a_passage_alone_and_among_others_is_the_same(name: str, made: dict[str, Made]) -> None:
    subject, some = made[name].subject, made[name].some
    if name == "language_model":
        some = [subject.cut(some[0], 0, n) for n in (1, 9, 30)]  # type: ignore[attr-defined]
    with torch.no_grad():
        together = subject.observe(some)
        for n, passage in enumerate(some):
            alone = subject.observe([passage])
            P = int(alone.real.sum())
            assert P == len(subject.predicted(passage)) == int(together.real[n].sum())
            assert_close(together.losses[n, together.real[n]], alone.losses[alone.real])
            for key, stack in alone.runs.items():
                T = len(subject.steps(passage, key)[1])
                among = together.runs[key]
                assert T == int(stack.lengths[0]) == int(among.lengths[n])
                assert_identical(among.places[n, :P], stack.places[0, :P])
                for ours, theirs in zip(stack.traced.layers, among.traced.layers, strict=True):
                    for value in ours:
                        assert_close(theirs[value][n, :T], ours[value][0, :T])


@each_task
def test_the_last_prediction_alone_is_the_last_of_all(name: str, made: dict[str, Made]) -> None:
    subject, some = made[name].subject, made[name].some
    with torch.no_grad():
        every, last = subject.observe(some), subject.observe(some, last=True)
    assert last.losses.shape == last.real.shape == (len(some), 1)
    for n in range(len(some)):
        final = int(every.real[n].nonzero().max())
        assert_close(last.losses[n, 0], every.losses[n, final])
        for key, stack in last.runs.items():
            assert int(stack.places[n, -1]) == int(every.runs[key].places[n, final])


@each_task
def test_outputs_at_the_places_are_what_predicts(name: str, made: dict[str, Made]) -> None:
    """A change of a step after the place of a prediction, of one direction, leaves it as it was."""
    subject, some = made[name].subject, made[name].some
    stack = subject.recurrents[subject.main]
    if stack.bidirectional:
        stack = None  # it has seen everything
    reach: list[torch.Tensor] = []

    def keep(x: torch.Tensor) -> torch.Tensor:
        reach.append(x)
        return x

    seen = subject.observe(some[:1], Look.STATES, edit=keep)
    for p in range(int(seen.real[0].sum())):
        slope = torch.autograd.grad(
            seen.losses[0, p], reach, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        moves = torch.cat(slope, 1)[0].abs().sum(-1) > 0
        place = int(seen.runs[subject.main].places[0, p])
        assert bool(moves[place])
        if stack is not None:
            assert not moves[place + 1 :].any()


# Watching.


@pytest.mark.parametrize("look", LOOKS)
@each_task
def test_watching_leaves_the_model_as_it_was(name: str, look: Look, made: dict[str, Made]) -> None:
    subject, some = made[name].subject, made[name].some
    model = subject.task.model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    with torch.no_grad():
        subject.observe(some, look)
    assert model.training
    assert torch.equal(torch.get_rng_state(), random)
    assert_identical(dict(model.state_dict()), before)
    assert not any(stack._observers for stack in subject.recurrents.values())


@pytest.mark.parametrize("look", LOOKS)
@each_task
def test_what_is_watched_is_computed_as_ever(name: str, look: Look, made: dict[str, Made]) -> None:
    subject, some = made[name].subject, made[name].some
    with torch.no_grad():
        wanted = subject.observe(some, Look.STATES)
        found = subject.observe(some, look)
    assert_close(found.losses, wanted.losses)
    for key, stack in found.runs.items():
        assert_close(stack.traced.output, wanted.runs[key].traced.output)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("backend", ["reference", None])
def test_a_watched_model_gives_the_numbers_of_one_that_is_not(
    dtype: torch.dtype, backend: str | None, tmp_path: Path
) -> None:
    prepared = make("language_model", tmp_path, model__cell="gru").prepared
    model = prepared.task.model.to(dtype).eval()
    for layer in model.recurrent.stack:
        layer.backend = backend
    ids = prepared.validation.ids[:50].unsqueeze(0)
    with torch.no_grad():
        wanted = model(ids)[0]
        with observing(model.recurrent) as seen:
            found = model(ids)[0]
    assert len(seen) == 1
    if backend:
        assert_identical(found, wanted)
    else:
        assert_close(found, wanted, 1e-12 if dtype == torch.float64 else 1e-5)


def test_an_edit_is_what_the_stack_reads(made: dict[str, Made]) -> None:
    subject, some = made["language_model"].subject, made["language_model"].some
    with torch.no_grad():
        plain = subject.observe(some)
        same = subject.observe(some, edit=lambda x: x.clone())
        silent = subject.observe(some, edit=torch.zeros_like)
    assert_identical(same.losses, plain.losses)
    assert not silent.runs["recurrent"].x.any()
    assert not torch.allclose(silent.losses, plain.losses)


def test_a_decoder_that_is_fed_is_traced_in_one_piece(tmp_path: Path) -> None:
    fed = make("translate", tmp_path, model__input_feeding=True)
    some = fed.some
    seen = fed.subject.observe(some)
    decoder = seen.runs["decoder"]
    longest = max(len(p.given.target) for p in some)
    assert decoder.x.shape[:2] == decoder.traced.output.shape[:2] == (len(some), longest)
    for values in decoder.traced.layers:
        assert {value.shape[:2] for value in values.values()} == {(len(some), longest)}


# Whole gradients.


@each_task
def test_steps_carry_the_whole_gradient(name: str, tmp_path: Path) -> None:
    """∂L/∂x_t is what one step makes of the whole ∂L/∂state_t, whatever comes after it."""
    settings = {} if name == "language_model" else {"model__direction": "forward"}
    one = make(name, tmp_path, **settings)
    subject, some = one.subject, one.some
    stack = subject.recurrents[subject.main]
    layer, cell = stack.stack[0], stack.stack[0].cell
    seen = subject.observe(some, Look.STEPS)
    loss = seen.losses.sum()
    read = seen.runs[subject.main]
    steps = read.traced.steps[0]
    (to_x,) = torch.autograd.grad(loss, read.x, retain_graph=True)
    to_states = torch.autograd.grad(loss, [f for s in steps for f in s], materialize_grads=True)
    F = len(cell.state_type._fields)
    for t in range(1, len(steps)):
        x = read.x[:, t].detach().requires_grad_()
        before = cell.state_type(*(field.detach() for field in steps[t - 1]))
        real = (t < read.lengths).unsqueeze(1)
        after = cell.step(x, before, layer.parameters_of_cell)
        outside = [d * real for d in to_states[F * t : F * (t + 1)]]
        (wanted,) = torch.autograd.grad(list(after), x, outside)
        assert_close(to_x[:, t], wanted)


# Passages.


@pytest.mark.parametrize("kind", ["characters", "jamo", "bytes", "words", "subwords"])
def test_a_typed_text_is_read_as_it_is(kind: str, tmp_path: Path) -> None:
    subject, _, prepared = make("language_model", tmp_path, text__vocabulary=kind)
    vocabulary = prepared.task.vocabulary
    for text in ("강아지가 꼬리를", "The hen 꼬리", "흔", "", "듣도 보도 못한 ☂"):
        (passage,) = subject.passages(text)
        assert passage.text == "".join(passage.pieces) == vocabulary.normalize(text)
        assert len(passage.pieces) == len(passage.labels) == len(passage.given)
        assert len(subject.predicted(passage)) == max(len(passage.labels) - 1, 0)
        if text:
            # Each token of the text has one before it from which it can be predicted.
            ids = vocabulary.encode(text).tolist()
            assert passage.given.tolist()[-len(ids) :] == ids
            assert subject.predicted(passage)[-len(ids) :] == vocabulary.token_texts(ids)


@each_task
def test_a_typed_question_is_answered_by_the_model(name: str, made: dict[str, Made]) -> None:
    subject, _, prepared = made[name]
    task = prepared.task
    others = {"describe": "12.5\t3", "tag": "김 민수가 Oslo", "answer": "Ann naps. Bob eats.\tWho?"}
    question = others.get(name, "the 2 1")
    (passage,) = subject.passages(question)
    with torch.no_grad():
        seen = subject.observe([passage])
    assert int(seen.real.sum()) == len(subject.predicted(passage))
    if name == "classify":
        (answer,) = task.predict([question])
        assert subject.predicted(passage) == [answer.values["label"]]
        assert float((-seen.losses).exp()) == pytest.approx(answer.values["probability"])
    elif name == "answer":
        (answer,) = task.predict([question])
        assert subject.predicted(passage) == [answer.values["answer"]]
        assert float((-seen.losses).exp()) == pytest.approx(answer.values["probability"])
    elif name == "tag":
        (answer,) = task.predict([question])
        assert subject.predicted(passage) == answer.values["tags"]
        assert passage.pieces == ("김 ", "민수가 ", "Oslo")
    elif isinstance(subject, EncoderDecoderSubject):
        (answer,) = task.predict([question])
        ids = passage.given.target.tolist()
        assert task.vocabulary.decode(ids[:-1]) == answer.text
        assert ids[-1] == task.eos
        assert -float(seen.losses.sum()) == pytest.approx(answer.values["log_probability"])


def test_an_empty_question_is_read(made: dict[str, Made]) -> None:
    for name in ("classify", "tag", "translate"):
        subject = made[name].subject
        (passage,) = subject.passages("")
        assert passage.text == ""
        assert int(subject.observe([passage]).real.sum()) == len(subject.predicted(passage)) * (
            name != "tag"
        )


@each_task
def test_what_was_held_out_is_what_training_validated_on(name: str, made: dict[str, Made]) -> None:
    subject, config, prepared = made[name]
    random = torch.get_rng_state()
    passages = subject.held_out(config)
    assert torch.equal(torch.get_rng_state(), random), "no random number is drawn"
    if name == "language_model":
        assert_identical(passages[0].given, prepared.validation.ids)
        assert passages[0].text in TEXT
        return
    assert len(passages) == len(prepared.validation)
    for passage, example in zip(passages, prepared.validation, strict=True):
        assert_identical(list(passage.given.inputs), list(example.inputs))
        assert_identical(passage.given.target, example.target)


def test_recordings_held_out_are_those_of_their_own_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    tables = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        rows = ["path\tlabel"]
        for n in range(24):
            np.save(folder / f"{n}.npy", rng.normal(size=(3 + n % 4, 2)).astype(np.float32))
            rows.append(f"{n}.npy\t{'ab'[n % 2]}")
        tables.append(folder / "table.tsv")
        tables[-1].write_text("\n".join(rows) + "\n", encoding="utf-8")
    subject, config, prepared = make("classify", tmp_path, data__source=tuple(map(str, tables)))
    passages = subject.held_out(config)
    assert {Path(passage.where.partition(",")[0]) for passage in passages} == set(tables)
    for passage, example in zip(passages, prepared.validation, strict=True):
        assert_identical(list(passage.given.inputs), list(example.inputs))
        assert passage.labels == tuple(map(str, range(1, len(example.inputs[0]) + 1)))
        assert passage.text == ""


@each_task
def test_a_file_is_read_as_the_task_reads_it(name: str, made: dict[str, Made]) -> None:
    subject, config, prepared = made[name]
    path = Path(config.sources[0])
    passages, found = subject.read(path), prepared.task.read(path)
    if name == "language_model":
        assert_identical(passages[0].given, found.ids)
    else:
        assert [p.where for p in passages] == [example.where for example in found]


def test_nothing_held_out_is_said(tmp_path: Path) -> None:
    for name in ("language_model", "classify"):
        (tmp_path / name).mkdir()
        subject, config, _ = make(name, tmp_path / name, text__validation_share=0.0)
        with pytest.raises(UsageError, match="name a file"):
            subject.held_out(config)


def test_what_reads_no_steps_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vectors.csv"
    rows = [f"{n % 7},{n % 5},{'ab'[n % 2]}" for n in range(40)]
    path.write_text("\n".join(("x,y,label", *rows)) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="nothing to look into"):
        make("classify", tmp_path, data__source=str(path))


# Windows.


def together(subject: Subject, passages: list[Passage]) -> list[int]:
    return [token for passage in passages for token in passage.given.tolist()]


@pytest.mark.parametrize("count", [1, 2, 7, 500])
@pytest.mark.parametrize("length", [1, 10, 60, 10**6])
def test_windows_are_stretches_of_the_text(count: int, length: int, made: dict[str, Made]) -> None:
    subject, config, _ = made["language_model"]
    assert isinstance(subject, LanguageModelSubject)
    (whole,) = subject.held_out(config)
    found = subject.windows([whole], length, count)
    assert 1 <= len(found) <= count
    ids = whole.given.tolist()
    for window in found:
        assert len(window.given) == min(length, len(ids))
        start = int(window.where.rpartition(" ")[2]) if "token" in window.where else 0
        assert window.given.tolist() == ids[start : start + length]
        assert window.text == "".join(window.pieces)
    assert len({window.where for window in found}) == len(found)
    if count * length <= len(ids):
        assert len(found) == count


@each_task
def test_windows_of_examples_are_some_of_them(name: str, made: dict[str, Made]) -> None:
    subject, config, _ = made[name]
    passages = subject.held_out(config)
    found = subject.windows(passages, 12, 5)
    assert 1 <= len(found) <= 5
    assert all(len(passage.labels) <= 12 for passage in found)
    if name != "language_model":
        assert all(any(one is passage for passage in passages) for one in found)


def test_the_subject_of_a_task_says_its_stacks(made: dict[str, Made]) -> None:
    names = {name: list(one.subject.recurrents) for name, one in made.items()}
    assert names == {
        "language_model": ["recurrent"],
        "answer": ["encoder"],
        "classify": ["encoder"],
        "tag": ["encoder"],
        "describe": ["decoder"],
        "translate": ["encoder", "decoder"],
    }
    assert subject_of(made["tag"].prepared.task).unit == "words"
