"""The report: escaped, self-contained, in two languages, and written whole or not at all."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

import sunhwan
import sunhwan.inspection.report.build as build
import sunhwan.inspection.report.write as writing
from sunhwan.config import Config
from sunhwan.errors import UsageError
from sunhwan.inspection.features import FEATURES
from sunhwan.inspection.measures.chosen_predictions import choose_predictions
from sunhwan.inspection.measures.clipping import clipping
from sunhwan.inspection.measures.excerpt import excerpt, varied
from sunhwan.inspection.measures.memory_use import MemoryUse
from sunhwan.inspection.measures.traces import trace
from sunhwan.inspection.report.blocks import (
    Block,
    ColouredText,
    Paragraph,
    Table,
    amounts,
    around_zero,
)
from sunhwan.inspection.report.build import inspect
from sunhwan.inspection.report.contents import QUICK, Report
from sunhwan.inspection.report.html import page
from sunhwan.inspection.report.lead_sentences import memory_lead
from sunhwan.inspection.report.phrases import Phrases
from sunhwan.inspection.report.sections import Sections
from sunhwan.inspection.report.write import check_folder, html_of, write_report
from sunhwan.layers import Look
from sunhwan.store import Run, save_model
from tests.inspection import reports
from tests.inspection.reports import HOSTILE
from tests.inspection.subjects import NAMES, Made, make
from tests.tiers import and_deep

ROOT = Path(sunhwan.__file__).parent

KEYS = {
    "about", "flow", "others", "clipping", "memory", "spectrum", "probes", "excerpt", "traces",
    "attribution", "unrolled", "lags", "missing",
}  # fmt: skip


class Read(HTMLParser):
    """What a browser makes of a page: tags with their attributes, and the text of each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


@pytest.fixture(scope="module", params=and_deep(["ko"], ["en"]))
def html(request: pytest.FixtureRequest) -> str:
    report = reports.report()
    words = Phrases(request.param, report.about.directions)
    figures = writing.pictures_of(report, words)
    return html_of(report, words, {name: writing.svg(f, name) for name, f in figures.items()})


@pytest.mark.slow
def test_hostile_texts_stay_texts(html: str) -> None:
    read = Read(html)
    scripts = [attributes for tag, attributes in read.tags if tag == "script"]
    assert [one for one in scripts if one.get("type") != "application/json"] == [{}]
    assert not any(name.startswith("on") for _, found in read.tags for name in found)
    assert not any(tag == "img" for tag, _ in read.tags)
    assert "<script>alert" not in html
    # The text, the title, the reason, the table, the predictions.
    assert sum(HOSTILE in text for _, text in read.texts) >= 6
    assert any(tag == "span" and text == HOSTILE for tag, text in read.texts)


def test_the_page_asks_for_nothing(html: str) -> None:
    read = Read(html)
    (policy,) = [a["content"] for tag, a in read.tags if tag == "meta" and "http-equiv" in a]
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    targets = [
        value or ""
        for _, found in read.tags
        for name, value in found.items()
        if name in ("src", "href", "xlink:href", "action")
    ]
    assert targets
    assert all(target.startswith(("#", "data:image/png")) for target in targets)
    assert "@import" not in html
    for used in set(re.findall(r"url\((.)", html)):
        assert used == "#"


def test_every_section_is_there(html: str) -> None:
    language = "ko" if '<html lang="ko">' in html else "en"
    words = Phrases(language)
    read = Read(html)
    titles = "".join(text for tag, text in read.texts if tag == "h2")
    for section in ("flow", "memory", "spectrum", "probes", "traces", "attribution", "unrolled"):
        assert words(f"{section}.title") in titles
    assert sum(tag == "svg" for tag, _ in read.tags) == 12
    ids = [found["id"] for tag, found in read.tags if tag == "h2"]
    assert [f"#{name}" for name in ids] == [a["href"] for tag, a in read.tags if tag == "a"]


def without_sections() -> Report:
    """A report of which nothing could be found, and why."""
    return reports.report()._replace(
        flow=None, clipping=None, memory=None, spectrum=None, probes=None, excerpt=None,
        traces=None, attribution=None, unrolled=None,
        missing={
            name: f"the reason of {name}"
            for name in ("flow", "clipping", "spectrum", "probes", "traces", "attribution", "unrolled")
        },
    )  # fmt: skip


def test_a_section_that_failed_leaves_its_reason() -> None:
    report = without_sections()
    words = Phrases("en", report.about.directions)
    assert writing.pictures_of(report, words) == {}
    html = html_of(report, words, {})
    for name in report.missing:
        assert f"Left out: the reason of {name}." in html
    assert words("memory.absent") in html


def test_nothing_that_was_told_is_said_in_a_sentence() -> None:
    probes = reports.probes()
    report = reports.report()._replace(excerpt=None, missing={"excerpt": "no text"})
    words = Phrases("en", report.about.directions)
    untold = probes._replace(results=probes.results[2:])
    for results, said in (
        (untold, "No single unit tells any of the 1 features"),
        (probes._replace(results=()), "too little text to look for features"),
    ):
        blocks = list(Sections(report._replace(probes=results), words, ()).probes())
        body = "".join(block.text for block in blocks if isinstance(block, Paragraph))
        assert said in body
        assert "no text" in body


def drawn(*blocks: Block) -> str:
    """A page of these blocks alone."""
    return page("title", "en", {"section": blocks}, {})


def test_the_text_is_painted_in_the_colours_of_the_first_values() -> None:
    values = np.array([np.nan, -2.0, 0.0, 2.0])
    paintings = [around_zero("unit", values), amounts("surprise", np.array([0, 2, 4, 9.0]), 8)]
    html = drawn(ColouredText("abcd", paintings, "by", mark=3))
    spans = [found for tag, found in Read(html).tags if tag == "span"]
    assert [span.get("style") for span in spans] == [
        None, "background:rgba(118,86,214,0.75)", None, "background:rgba(230,120,20,0.75)",
    ]  # fmt: skip
    assert [span.get("class") for span in spans] == [None, None, None, "mark"]
    data = json.loads(re.findall(r'json">(.*?)</script>', html)[0])
    assert data == [[True, [None, -100, 0, 100]], [False, [0, 25, 50, 100]]]
    assert [text for tag, text in Read(html).texts if tag == "option"] == ["unit", "surprise"]
    assert "<select" not in drawn(ColouredText("abcd", paintings[:1], "by"))


def test_values_lie_around_their_mean_where_none_is_given() -> None:
    found = around_zero("unit", np.array([4.0, 6.0, 8.0]), None).values
    np.testing.assert_allclose(found[1], 0, atol=1e-12)
    assert found[0] == -found[2] == -1


def test_cells_of_a_table_are_escaped() -> None:
    texts = Read(drawn(Table([HOSTILE], [[HOSTILE]], ()))).texts
    assert {("th", HOSTILE), ("td", HOSTILE)} <= set(texts)
    assert "<title>&lt;b&gt;</title>" in page("<b>", "en", {}, {})


def test_what_is_said_of_memory_follows_the_losses() -> None:
    def lead(*mean: float, used: int | None) -> str:
        losses = np.array(mean)[:, None]
        memory = MemoryUse("characters", (0, 5, 9), losses, losses[:, 0], 0 * losses, losses, used)
        return memory_lead(memory, Phrases("en"))

    assert lead(3, 2, 2, used=5).startswith("With the last 5 characters")
    assert lead(3, 2, 1, used=None).startswith("The more of the last 9 characters")
    assert lead(3, 3.5, 4, used=0).startswith("What comes before does not help")


def test_words_name_layers_numbers_and_places() -> None:
    english, korean = (Phrases(language, {"encoder": 2}) for language in ("en", "ko"))
    assert english.layer_at("encoder", 3) == "encoder layer 2 from the end"
    assert korean.layer_at("recurrent", 0) == "1층"
    assert english.where("the validation text, from token 1234") == (
        "the validation text, from token 1,234"
    )
    assert korean.where("a.txt, line 3") == "a.txt 3번째 줄"
    assert korean.where("the validation text") == "검증에 쓴 글"
    assert english.where("odd, line x") == "odd, line x"
    assert [english.bytes(count) for count in (999, 30_300_000, 5e12)] == [
        "999 B", "30.3 MB", "5e+03 GB",
    ]  # fmt: skip
    assert [english.share(value) for value in (0, 0.00014, 0.76)] == ["0 %", "0.014 %", "76 %"]
    assert (english.unit("words", 1), korean.unit("words", 1)) == ("word", "단어")
    with pytest.raises(UsageError, match="'fr' must be one of en, ko"):
        Phrases("fr")


@pytest.mark.slow
def test_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "svg", lambda figure, name: '<svg viewBox="0 0 9 9"><g/></svg>')
    monkeypatch.setattr(writing, "png", lambda figure: b"")
    folder = tmp_path / "inspect"
    path = write_report(reports.report(), folder, "ko")
    assert path == folder / "report.html"
    assert {file.name for file in folder.iterdir()} == {"report.html", "report.json", "pictures"}
    names = {file.stem for file in (folder / "pictures").iterdir()}
    assert {"flow", "clipping", "memory", "matrices", "history", "trace-1", "unrolled"} <= names
    assert len(list((folder / "pictures").iterdir())) == 2 * len(names)
    data = json.loads((folder / "report.json").read_text("utf-8"))
    assert data.keys() == KEYS
    assert data["about"]["name"] == HOSTILE
    assert data["flow"]["curves"][0]["horizon"] == 7
    assert data["traces"][0]["surprise"][0] is None
    before = path.read_text("utf-8")
    write_report(without_sections(), folder, "en")
    assert list((folder / "pictures").iterdir()) == []
    assert path.read_text("utf-8") != before


@pytest.mark.slow
def test_a_report_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "inspect"
    report = without_sections()._replace(clipping=reports.report().clipping)
    before = write_report(report, folder).read_bytes()
    assert (folder / "pictures" / "clipping.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "pictures" / "clipping.svg").read_text("utf-8")

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "html_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(report, folder, "ko")
    assert (folder / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["inspect"]


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="other things than a report"):
        write_report(reports.report(), tmp_path)
    with pytest.raises(UsageError, match="other things than a report"):
        check_folder(tmp_path / "thesis.txt")


def test_clipping_is_counted_by_step(tmp_path: Path) -> None:
    run = Run.create(tmp_path, Config().override({"training.clip_norm": 2.0}))
    with pytest.raises(UsageError, match="no training step"):
        clipping(run)
    for step in range(1, 401):
        if step <= 30:
            run.log("clip", step=step, grad_norm=4.0, limit=2.0)
        if not step % 2:
            run.log("step", step=step, grad_norm=4.0 if step <= 30 else 1.0)
    found = clipping(run)
    assert (found.clipped, found.steps, found.limit) == (30, 400, 2.0)
    assert len(found.ends) == 100
    assert found.ends[-1] == 400
    np.testing.assert_allclose(found.share[:9], [1] * 7 + [0.5, 0])
    np.testing.assert_allclose(found.median[[0, 50]], [4, 1])
    assert found.low[7] == 1
    assert found.high[7] == 4


@pytest.fixture(scope="module", params=NAMES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    torch.set_num_threads(1)
    return make(request.param, tmp_path_factory.mktemp(request.param))


def test_the_chosen_predictions_are_the_extreme_ones(made: Made) -> None:
    passages = made.some
    found = choose_predictions(made.subject, passages)
    assert [one.kind for one in found] == ["surprising", "sure", "last"]
    with torch.no_grad():
        seen = made.subject.observe(passages, Look.STATES)
    losses = seen.losses[seen.real]
    assert found[0].attribution.probability == pytest.approx(losses.max().neg().exp().item())
    assert found[2].attribution.probability == pytest.approx(losses[-1].neg().exp().item())
    assert found[1].attribution.probability >= found[0].attribution.probability
    for one in found:
        if one.place is not None and made.subject.main == "recurrent":
            assert one.attribution.labels[one.place] == one.attribution.predicted


def test_an_excerpt_has_the_values_of_its_units(made: Made) -> None:
    subject = made.subject
    passages = varied(subject, made.some, list(FEATURES.values()), 30)
    first = next(iter(reports.probes().results))
    field = next(iter(trace(subject, passages[0]).values))
    one = first.__class__(
        **{**first.__dict__, "stack": subject.main, "field": field}
    )  # fmt: skip
    other = one.__class__(**{**one.__dict__, "stack": "elsewhere"})
    found = excerpt(subject, passages, [one, other])
    assert len(found.units) == 1
    assert len(found.pieces) == len(found.surprise) == len(found.units[0].values)
    text = "".join(passage.text for passage in passages)
    if text:
        assert "".join(found.pieces) == "\n".join(passage.text for passage in passages)
        last = trace(subject, passages[-1]).values[field][-1, 0]
        assert found.units[0].values[-1] == pytest.approx(-last), "low values mean the feature"


def test_everything_is_found_or_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make("language_model", tmp_path, data__block_length=16)
    run = Run.create(tmp_path / "run", made.config)
    save_model(run.model_folder, made.prepared.task, {})

    def refused(*_: object, **__: object) -> None:
        raise UsageError("no memory today")

    monkeypatch.setattr(build, "memory_use", refused)
    told: list[tuple[str, float]] = []
    limits = QUICK._replace(tokens=600, windows=2, lags=10, jacobians=1)
    found = inspect(
        run.folder, others=[run.folder], limits=limits, progress=lambda *now: told.append(now)
    )
    assert found.missing == {
        "clipping": f"the log of {run.folder} tells of no training step",
        "memory": "no memory today",
    }
    assert found.memory is None
    assert [curve.field for curve in found.flow.curves] == ["h", "c"]
    assert list(found.others) == ["run′"]
    assert found.to_dict().keys() == KEYS
    shown = [name for name in build.SECTIONS if name not in build.OF_SERIES]
    assert list(dict.fromkeys(section for section, _ in told)) == shown
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert found.about.layers[0][1:] == (0, "LSTM", 5)
    with pytest.raises(UsageError, match="name a text"):
        inspect(run.model_folder)
    text = tmp_path / "text.txt"
    of_model = inspect(run.model_folder, [text], limits=limits)
    assert "run folder" in of_model.missing["unrolled"]
    assert of_model.about.texts == (str(text),)


def test_memory_that_is_not_counted_says_why() -> None:
    rare = reports.unrolling()._replace(bytes=None, memory=None)
    for unrolled, lead, last in (
        (reports.unrolling(None), "no gradient is cut", "grows with its longest row"),
        (rare, "in blocks of 64 steps. The state goes on", "which tokens a block holds"),
    ):
        report = reports.report()._replace(unrolled=unrolled)
        said = [
            block.text
            for block in Sections(report, Phrases("en"), ()).unrolled()
            if isinstance(block, Paragraph)
        ]
        assert lead in said[0]
        assert last in said[-1]
