"""Settings: TOML and back, what is refused and how, and the recipe that fills what is left open."""

import dataclasses
import math
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sunhwan.config import Config, own, parse_assignment, settings, task_settings
from sunhwan.errors import ConfigError
from sunhwan.models import LanguageModel
from sunhwan.registry import TASKS
from sunhwan.tasks.common import machine_speed
from sunhwan.tasks.common.machine_speed import products_a_second
from sunhwan.tasks.common.recipe import complete_language as complete
from sunhwan.tasks.forecast.settings import ForecastConfig
from sunhwan.tasks.language_model.recipe import complete as complete_softmax
from sunhwan.tasks.language_model.recipe import said
from sunhwan.text import Corpus, Document, load_corpus

SECTIONS = [f.name for f in dataclasses.fields(Config)]


class Field(NamedTuple):
    """A setting: where it stands, its field, its type, and a task that has it."""

    section: str
    f: Any
    kind: Any
    task: str

    @property
    def name(self) -> str:
        return f"{self.section}.{self.f.name}"

    def given(self, value: Any) -> dict[str, dict[str, Any]]:
        """A configuration of its task in which it is set."""
        values = {"task": {"name": self.task}}
        values.setdefault(self.section, {})[self.f.name] = value
        return values


def fields() -> list[Field]:
    """Every setting, those of some tasks after those of all."""
    found: dict[str, list[Field]] = {}
    for task in TASKS:
        for section, kind in task_settings(task).sections().items():
            types = get_type_hints(kind)
            known = [one.f.name for one in found.setdefault(section, [])]
            found[section] += [
                Field(section, f, types[f.name], task)
                for f in dataclasses.fields(kind)
                if f.name not in known
            ]
    return [one for section in found.values() for one in section]


def allowed(f: Any, kind: Any) -> st.SearchStrategy[Any]:
    """What a setting may be."""
    low, high, choices = (f.metadata[key] for key in ("low", "high", "choices"))
    if kind == bool | str:
        return st.booleans() | st.just("")
    if isinstance(kind, UnionType):
        one = allowed(f, get_args(kind)[0])
        return one | st.lists(one, min_size=1, max_size=3).map(tuple)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if choices:
        return st.sampled_from(list(choices))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(low, min(high or 10**9, 2**63 - 1))
    if kind is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return text if kind is str else st.lists(text, max_size=3).map(tuple)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    task = draw(st.sampled_from(list(TASKS)))
    values: dict[str, dict[str, Any]] = {}
    for section, kind in task_settings(task).sections().items():
        types = get_type_hints(kind)
        for f in dataclasses.fields(kind):
            if draw(st.booleans()):
                values.setdefault(section, {})[f.name] = draw(allowed(f, types[f.name]))
    values.setdefault("task", {})["name"] = task
    return Config.from_dict(values)


@hypothesis_settings(max_examples=60, deadline=None)
@given(configs())
def test_toml_and_back(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(config.to_toml().encode())
    assert Config.load(path) == config
    assert Config.from_dict(config.to_dict()) == config


def test_every_setting_has_a_meaning_and_a_default_that_is_allowed() -> None:
    listed = list(settings())
    assert [s.name for s in listed] == [one.name for one in fields()]
    for setting, one in zip(listed, fields(), strict=True):
        assert len(setting.help) > 5, setting.name
        default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        task = default if setting.name == "task.name" else one.task
        named = Config.from_dict({"task": {"name": task}})
        assert Config.from_dict(one.given(default)) == named, setting.name


OTHERS = [
    (one, other) for one in fields() for other in TASKS
    if one.f.name not in {f.name for f in dataclasses.fields(task_settings(other).sections()[one.section])}
]  # fmt: skip


def another(f: Any) -> Any:
    """A value that is allowed and not the default."""
    if f.metadata["choices"]:
        return next(choice for choice in f.metadata["choices"] if choice != f.default)
    if isinstance(f.default, bool):
        return not f.default
    if isinstance(f.default, str | tuple):
        return type(f.default)("x")
    return type(f.default)(f.metadata["high"])


@pytest.mark.parametrize(("one", "task"), OTHERS, ids=[f"{o.name} of {t}" for o, t in OTHERS])
def test_a_setting_of_another_task_is_refused_unless_nothing_was_set(one: Field, task: str) -> None:
    values = one.given(one.f.default)
    values["task"]["name"] = task
    plain = Config.from_dict({"task": {"name": task}})
    # Files of version 0.1 hold every setting of every task.
    assert Config.from_dict(values) == plain
    values[one.section][one.f.name] = another(one.f)
    with pytest.raises(
        ConfigError, match=rf"{one.name} in .* is a setting of .*{one.task}.* {task}"
    ):
        Config.from_dict(values)
    assert Config.from_dict(values, saved=True) == plain


def test_the_tasks_add_settings() -> None:
    assert len(OTHERS) > 40
    assert "model.attention" in {one.name for one, _ in OTHERS}


def test_a_configuration_of_another_task_is_refused() -> None:
    with pytest.raises(
        ConfigError, match="of another task: it has a TaskConfig, not a ForecastCon"
    ):
        own(Config().task, ForecastConfig)


def wrong(kind: Any) -> list[Any]:
    if kind == bool | str:
        return wrong(bool)
    if isinstance(kind, UnionType):
        several = [[value] for value in wrong(get_args(kind)[0]) if not isinstance(value, list)]
        return [*several, [], {}, 0.5]
    if kind is bool:
        return [1, "true", 0.0, []]
    if kind is int:
        return [1.5, "3", True, [1]]
    if kind is float:
        return ["1.5", True, math.nan, math.inf, -math.inf, 10**400, [1.0]]
    if kind is str:
        return [1, True, ["a"], "\ud800"]
    return [1, [1], ["a", 2], {"a": 1}, ["\ud800"]]


@pytest.mark.parametrize("one", fields(), ids=[one.name for one in fields()])
def test_wrong_types_and_ranges_are_refused_by_name(one: Field) -> None:
    section, f, kind, _ = one
    bad = wrong(kind)
    kind = get_args(kind)[0] if isinstance(kind, UnionType) else kind
    if f.metadata["low"] is not None:
        bad.append(kind(f.metadata["low"] - 1))
    if f.metadata["high"] is not None:
        bad.append(kind(f.metadata["high"] + 1))
    if f.metadata["choices"]:
        bad.append("no such choice")
    for value in bad:
        with pytest.raises(ConfigError, match=rf"{section}\.{f.name}"):
            Config.from_dict(one.given(value))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[modle]\n", "modle"), ("[model]\nhiden_size = 3\n", "hiden_size"),
        ("model = 3\n", "model"), ("[model\n", "TOML"), ("[model]\nbias = True", "TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named) as caught:
        Config.load(path)
    assert "settings.toml" in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        Config.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"[text]\nvalidation = 'caf\xe9'")
    with pytest.raises(ConfigError, match="byte 24"):
        Config.load(tmp_path / "latin.toml")
    (tmp_path / "bom.toml").write_bytes(b"\xef\xbb\xbf[training]\nseed = 7\n")
    assert Config.load(tmp_path / "bom.toml").training.seed == 7


def test_overrides() -> None:
    config = Config().override({"model.hidden_size": 12, "text.corpus": "a.txt"})
    assert (config.model.hidden_size, config.text.corpus) == (12, ("a.txt",))
    assert config == Config().override({"model.hidden_size": 12}).override({"text.corpus": "a.txt"})
    for name in ("hidden_size", "", "models.hidden_size", "model.hidden", "model.a.b"):
        with pytest.raises(ConfigError):
            Config().override({name: 12})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.5", 3.5), ("true", True), ("'x y'", "x y"), ("gru", "gru"),
        ("a=b", "a=b"), ("", ""), ('["a", "b"]', ["a", "b"]), ("한글.txt", "한글.txt"),
    ],
)  # fmt: skip
def test_assignments_are_toml_or_plain_text(text: str, value: Any) -> None:
    assert parse_assignment(f"model.key={text}") == ("model.key", value)
    with pytest.raises(ConfigError):
        parse_assignment("model.key")


TEXTS = [
    "ab",
    "a" * 50,
    "To be, or not to be. " * 40,
    "나는 오늘 시장에 갔다. " * 30,
    "word\n" * 3000,
]


@pytest.mark.parametrize("text", TEXTS, ids=[text[:6] for text in TEXTS])
@pytest.mark.parametrize(
    "chosen",
    [
        {}, {"training.steps": 5}, {"training.epochs": 2.5}, {"training.minutes": 0.5},
        {"model.tied": True}, {"training.optimizer": "sgd", "model.hidden_size": 5},
        {"text.vocabulary": "bytes", "model.dropout": 0.0, "data.batch_size": 3},
    ],
    ids=str,
)  # fmt: skip
def test_the_recipe_fills_everything_and_changes_nothing_chosen(
    text: str, chosen: dict[str, Any]
) -> None:
    corpus = Corpus("text", (Document("text", text),))
    config = complete(Config().override(chosen), corpus)
    assert complete(config, corpus) == config
    assert config.text.vocabulary
    assert config.text.unknown
    assert config.model.input
    assert config.model.dropout >= 0
    numbers = (
        config.data.batch_size, config.data.block_length, config.model.hidden_size,
        config.model.num_layers, config.model.embedding_size, config.training.learning_rate,
    )  # fmt: skip
    assert min(numbers) > 0
    budget = (config.training.minutes, config.training.steps, config.training.epochs)
    assert sum(value > 0 for value in budget) == 1
    values = config.to_dict()
    for name, value in chosen.items():
        section, key = name.split(".")
        assert values[section][key] == value
    assert Config.from_dict(values) == config


def test_the_recipe_knows_korean_and_the_suggestions_of_built_in_texts() -> None:
    def vocabulary(text: str) -> str:
        return complete(Config(), Corpus("t", (Document("t", text),))).text.vocabulary

    assert vocabulary("나는 오늘 시장에 갔다. " * 9) == "jamo"
    assert vocabulary("I went to the market (시장). " * 9) == "characters"
    hello = complete(Config(), load_corpus("hello"))
    assert (hello.text.unknown, hello.model.input) == ("drop", "one-hot")
    chosen = Config().override({"model.input": "embedding"})
    assert complete(chosen, load_corpus("hello")).model.input == "embedding"


def test_a_model_of_words_is_as_large_as_the_machine_reads_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "the cat sat on a mat " * 100_000
    chosen = {"text.vocabulary": "words", "training.minutes": 20}

    def sizes(speed: float, **more: int) -> tuple[Any, int]:
        monkeypatch.setattr(f"{machine_speed.__name__}.products_a_second", lambda: speed)
        corpus = Corpus("t", (Document("t", text),))
        model = complete(Config().override({**chosen, **more}), corpus).model
        return model.hidden_size, model.embedding_size

    slow, usual, fast = (sizes(speed)[0] for speed in (1e9, 2e10, 1e13))
    assert 128 == slow < usual < fast == 896
    assert sizes(1e13)[1] == 256
    assert sizes(4e9, **{"text.max_size": 500})[0] > slow
    assert sizes(1e9, **{"model.hidden_size": 640})[0] == 640
    assert products_a_second() > 1e7


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "sampled"), ({"model.softmax": "full"}, "full"), ({"training.steps": 9}, "full"),
        ({"training.optimizer": "sgd"}, "full"), ({"model.input": "one-hot"}, "full"),
        ({"text.max_size": 9_000}, "full"), ({"text.vocabulary": "subwords"}, "full"),
    ],
    ids=str,
)  # fmt: skip
def test_of_many_words_some_are_sampled(more: dict[str, Any], kind: str) -> None:
    corpus = Corpus("t", (Document("t", "the cat sat on a mat " * 60_000),))
    asked = Config().override({"text.vocabulary": "words", **more})
    found = complete_softmax(asked, corpus)
    assert found == complete_softmax(found, corpus)
    assert found.model.softmax == kind  # type: ignore[attr-defined]
    many = kind == "sampled"
    assert found.model.softmax_samples == 2_048  # type: ignore[attr-defined]
    assert (16_384 < found.training.validation_tokens < 131_072) == many
    assert found.model.tied is many
    assert ["2,048 that are drawn" in note for note in said(asked, found)] == [True, False][
        : 2 * many
    ]


def test_vectors_are_tied_where_some_words_are_sampled_and_nothing_speaks_against_it() -> None:
    corpus = Corpus("t", (Document("t", "the cat sat on a mat " * 60_000),))

    def tied(**more: Any) -> Any:
        asked = Config().override({"text.vocabulary": "words"} | more)
        found = complete_softmax(asked, corpus)
        assert LanguageModel(found.model, 600).config.tied is found.model.tied
        return found.model.tied, found.model.embedding_size == found.model.hidden_size

    assert tied() == (True, True)
    assert tied(**{"model.tied": False, "model.hidden_size": 512}) == (False, False)
    assert tied(**{"model.embedding_size": 64}) == (False, False)
    assert not tied(**{"model.connection": "dense"})[0]
    assert tied(**{"training.epochs": 2, "model.softmax": "sampled", "model.hidden_size": 512}) == (
        True,
        True,
    )
    assert not tied(**{"model.softmax": "adaptive"})[0]
    asked = Config().override({"text.vocabulary": "words", "model.softmax": "sampled"})
    (note,) = said(asked, complete_softmax(asked, corpus))
    assert note.startswith("each word has one vector")


def test_dropout_begins_earlier_for_words_and_grows_with_what_is_read() -> None:
    corpus = Corpus("t", (Document("t", "the cat sat on a mat " * 9_000),))

    def dropout(kind: str, epochs: int) -> float:
        asked = {"text.vocabulary": kind, "training.epochs": epochs, "model.hidden_size": 384}
        return complete(Config().override(asked), corpus).model.dropout

    assert [dropout("characters", n) for n in (3, 7, 14, 99)] == [0, 0, 0.35, 0.5]
    assert [dropout("words", n) for n in (3, 7, 14)] == [0, 0.35, 0.5]


def test_two_budgets_are_refused() -> None:
    config = Config().override({"training.steps": 5, "training.epochs": 1})
    with pytest.raises(ConfigError, match="one budget"):
        complete(config, Corpus("t", (Document("t", "text"),)))


def test_a_setting_of_every_layer_is_one_value_or_a_list() -> None:
    several = {"model.hidden_size": [12, 20], "model.cell": ["gru", "mine.py:Cell"]}
    config = Config().override(several)
    assert (config.model.sizes, config.model.cells) == ((12, 20), ("gru", "mine.py:Cell"))
    assert complete(config, load_corpus("hello")).model.num_layers == 2
    assert Config().model.cells == ("lstm",)
