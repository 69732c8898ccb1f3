"""Every example runs on a tiny scale, and what it prints is right."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.tiers import and_deep

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run an example with arguments as a script; what it printed comes back."""

    def run_script(name: str, *arguments: object) -> str:
        path = EXAMPLES / name
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return run_script


def numbers(name: str, output: str) -> list[float]:
    """Every number that stands behind a word."""
    return [float(value) for value in re.findall(rf"{name} +([-+.e\d]*\d)", output)]


def completions(output: str) -> dict[str, str]:
    """Beginning → what the model went on with."""
    return dict(line.split(" … ") for line in output.splitlines() if " … " in line)


def test_every_example_is_tested_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    names = [path.name for path in EXAMPLES.glob("*.py")]
    assert names
    assert [name for name in names if f'"{name}"' not in here] == []


def test_korean_sentences_goes_on_as_its_sentences_do(run: Run) -> None:
    script = runpy.run_path(str(EXAMPLES / "korean_sentences.py"))
    sentences = script["SENTENCES"].splitlines()
    output = run("korean_sentences.py", "--steps", 120, "--hidden-size", 48)
    found = completions(output)
    assert [f"{beginning} {rest}" for beginning, rest in found.items()] == sentences[:3]
    # Which of the sentences begins cannot be known, all the rest can.
    words = [len(sentence.split()) + 1 for sentence in sentences]
    (accuracy,), (loss,) = numbers("accuracy", output), numbers("loss", output)
    assert accuracy >= 1 - len(sentences) / sum(words) - 1e-3
    assert loss < 1


@pytest.mark.parametrize(("vocabulary", "steps"), [("characters", 120), ("jamo", 150)])
def test_korean_sentences_reads_a_file_in_letters(
    run: Run, tmp_path: Path, vocabulary: str, steps: int
) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("나는 오늘 사과를 먹었다.\n\n너는 내일  학교에 간다.\n", encoding="utf-8")
    output = run(
        "korean_sentences.py", file, "--vocabulary", vocabulary, "--steps", steps,
        "--hidden-size", 64, "--beginning", "나는 오", "--beginning", "너는",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert completions(output) == {"나는 오": "늘 사과를 먹었다.", "너는": "내일 학교에 간다."}
    assert numbers("accuracy", output)[0] > 0.9
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_char_rnn_learns_stops_resumes_and_writes(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("the cat sat on the mat. " * 60, encoding="utf-8")
    output = run("char_rnn.py", file, "--steps", 120, "--hidden-size", 64, "--prompt", "the cat")
    losses = numbers("loss", output)
    assert numbers("step", output)[:4] == [30, 60, 90, 120]
    assert losses[-1] < losses[0] / 3
    assert losses[-1] < 0.3
    assert "interrupted after 60 steps" in output
    assert "resumed to step 120, best at step 120" in output
    assert " sat on the mat. the cat" in output.splitlines()[-1]


def test_bptt_by_hand_writes_hello_and_agrees_with_pytorch(run: Run) -> None:
    output = run("bptt_by_hand.py", "--steps", 150)
    losses = numbers("loss", output)
    assert losses[0] > 1
    assert losses[-1] < 0.05
    assert "it writes hellohellohello" in output
    assert numbers("gradient:", output)[0] < 1e-12


def test_own_loop_remembers_over_block_borders(run: Run) -> None:
    output = run("own_loop.py", "--steps", 300, "--delay", 2, "--block", 6)
    losses = numbers("loss", output)
    assert losses[0] > 0.6
    assert losses[-1] < 0.1
    carried, forgotten = numbers("accuracy", output)
    assert carried > 0.97
    # A third of the targets lies before the block; without the state they are coin tosses.
    assert 0.78 < forgotten < 0.88


def test_recurrent_policy_recalls_what_an_episode_began_with(run: Run) -> None:
    sizes = ("--copies", 128, "--steps", 16, "--hidden-size", 32, "--learning-rate", 0.01)
    effort = ("--updates", 30, "--minibatches", 1, "--epochs", 6)
    output = run("recurrent_policy.py", "--cell", "gru", "none", *sizes, *effort)
    recurrent, memoryless = numbers("greedy return", output)
    assert recurrent > 0.9
    assert 0.15 < memoryless < 0.35  # one of four symbols, guessed


@pytest.mark.parametrize("cell", ["gru", "lstm", "none"])
def test_recurrent_policy_reads_a_rollout_as_it_was_played(cell: str) -> None:
    """One call with resets gives the probabilities and the state of the single steps."""
    script = runpy.run_path(str(EXAMPLES / "recurrent_policy.py"))
    torch.manual_seed(1)
    environment, size, actions = script["make_environment"](None, 6, 1)
    policy = script["Policy"](size, actions, cell, 8)
    collector = script["Collector"](environment, policy, 6)
    for _ in range(3):  # the second and third begin in the middle of episodes
        rollout = collector.play(40)
        log_p, values, state = policy(rollout.x, rollout.state, rollout.resets)
        chosen = log_p.gather(2, rollout.actions.unsqueeze(2)).squeeze(2)
        torch.testing.assert_close(chosen, rollout.log_p)
        torch.testing.assert_close(values, rollout.returns - rollout.advantages)
        for ours, carried in zip(state, collector.state, strict=True):
            torch.testing.assert_close(tuple(ours), tuple(carried))
        assert int(rollout.resets.sum(1).min()) >= 2
        # The mark of a first step is the reset; the mark of a last step stands one before it.
        assert torch.equal(rollout.resets, rollout.x[..., -2] == 1)
        assert torch.equal(rollout.resets[:, 1:], rollout.x[:, :-1, -1] == 1)
    rows = [batch.actions for batch in script["minibatches"](rollout, 3)]
    assert sorted(torch.cat(rows).tolist()) == sorted(rollout.actions.tolist())


def test_recurrent_policy_estimates_advantages_by_their_definition() -> None:
    script = runpy.run_path(str(EXAMPLES / "recurrent_policy.py"))
    rewards, values = torch.randn(3, 7), torch.randn(3, 8)
    done = torch.rand(3, 7) < 0.3
    found = script["estimate_advantages"](rewards, values, done)
    gamma, decay = script["GAMMA"], script["LAMBDA"]
    for n in range(3):
        for t in range(7):
            wanted, weight = 0.0, 1.0
            for k in range(t, 7):
                after = 0.0 if done[n, k] else gamma * values[n, k + 1].item()
                wanted += weight * (rewards[n, k].item() + after - values[n, k].item())
                weight *= 0.0 if done[n, k] else gamma * decay
            assert found[n, t].item() == pytest.approx(wanted, abs=1e-5)


def test_recurrent_policy_plays_gymnasium(run: Run) -> None:
    pytest.importorskip("gymnasium")
    sizes = ("--copies", 4, "--steps", 30, "--hidden-size", 8, "--updates", 2)
    output = run("recurrent_policy.py", "--env", "CartPole-v1", *sizes)
    assert numbers("greedy return", output)[0] > 5


def test_recurrent_policy_values_what_a_time_limit_cuts_off() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    script = runpy.run_path(str(EXAMPLES / "recurrent_policy.py"))
    mode = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    environment = gymnasium.make_vec(
        "CartPole-v1", 3, "sync", vector_kwargs=mode, max_episode_steps=5
    )
    torch.manual_seed(1)
    policy = script["Policy"](4, 2, "gru", 8)
    torch.nn.init.constant_(policy.heads.weight, 0.0)
    policy.heads.bias.data = torch.tensor([0.0, 0.0, 7.0])  # V is 7 everywhere
    rollout = script["Collector"](environment, policy, 3).play(5)
    assert rollout.resets[:, 0].all()
    wanted = 1 + script["GAMMA"] * 7 - 7  # the last step's, as if the episode went on
    assert rollout.advantages[:, -1].tolist() == pytest.approx([wanted] * 3, abs=1e-5)


def test_own_cell_obeys_the_laws_and_writes(run: Run) -> None:
    output = run("own_cell.py", "hello", "--steps", 150, "--hidden-size", 24, "--prompt", "hel")
    assert re.fullmatch(r"\d+ laws hold", output.splitlines()[0])
    assert numbers("loss", output)[0] < 0.1
    assert "own_cell.py:MGU" in output
    assert "hellohellohello" in output.splitlines()[-1]


@pytest.mark.parametrize("steps", and_deep([20], [120]))
def test_classify_sentences_tells_praise_from_complaint(run: Run, steps: int) -> None:
    output = run("classify_sentences.py", "--steps", steps)
    labels = [line.split()[0] for line in output.splitlines() if line.startswith(("pr", "co"))]
    assert len(labels) == 3
    if steps > 20:
        assert labels == ["praise", "complaint", "complaint"]
    assert numbers("accuracy", output)[-1] > (0.95 if steps > 20 else 0.7)  # of two, guessed: 0.5


@pytest.mark.parametrize("steps", and_deep([20], [250]))
def test_translate_sentences_reads_numbers_and_looks_where_they_stand(run: Run, steps: int) -> None:
    output = run("translate_sentences.py", "--steps", steps, "--ask", "삼천오", "--ask", "칠십이")
    assert "삼천오 → " in output
    assert " ← " in output
    if steps > 20:
        assert numbers("exact", output)[-1] > 0.9
        assert "삼천오 → 3005" in output
        assert "칠십이 → 72" in output
        assert "3 ← 삼" in output
    script = runpy.run_path(str(EXAMPLES / "translate_sentences.py"))
    assert [script["in_words"](n) for n in (1203, 3005, 10, 9999)] == [
        "천이백삼", "삼천오", "십", "구천구백구십구",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", and_deep([20], [150]))
def test_tag_words_finds_names_it_never_saw(run: Run, steps: int) -> None:
    sentence = "Rob Lane wrote a letter from Bonn"
    output = run("tag_words.py", "--steps", steps, "--sentence", sentence)
    assert numbers("loss", output)[-1] < (0.1 if steps > 20 else 1.3)  # of five, guessed: log 5
    tagged = output.splitlines()[-1]
    assert [pair.partition("/")[0] for pair in tagged.split()] == sentence.split()
    if steps > 20:
        assert numbers("F1", output)[-1] > 0.9
        assert tagged == "Rob/B-PER Lane/I-PER wrote/O a/O letter/O from/O Bonn/B-LOC"
    script = runpy.run_path(str(EXAMPLES / "tag_words.py"))
    assert "B-LOC" in "".join(script["sentences"](9))


@pytest.mark.parametrize(("steps", "right"), and_deep([(20, 0.0)], [(300, 0.9)]))
def test_describe_digits_says_what_it_sees(run: Run, steps: int, right: float) -> None:
    output = run("describe_digits.py", "--name", "digits-ko", "--steps", steps, "--show", 2)
    assert numbers("exact", output)[-1] >= right
    lines = output.splitlines()
    assert [len(line) for line in lines[:8]] == [16] * 8
    if right:
        assert [line.split()[0] for line in (lines[8], lines[17])] == ["손으로"] * 2


def test_write_tunes_in_a_metre_and_key(run: Run) -> None:
    output = run("write_tunes.py", "--metre", "2/4", "--key", "G", "--number", 3, "--steps", 300)
    script = runpy.run_path(str(EXAMPLES / "write_tunes.py"))
    bars = set("".join(script["PHRASES"]["2/4", "G"]).split("|")) - {""}
    tunes = output.strip().split("\n\n")
    assert [tune.splitlines()[:5] for tune in tunes] == [
        [f"X:{number}", "T:2/4 in G", "M:2/4", "L:1/8", "K:G"] for number in (1, 2, 3)
    ]
    written = [bar for tune in tunes for bar in tune.splitlines()[5].split("|") if bar]
    assert sum(bar in bars for bar in written) > 0.8 * len(written)


def test_forecast_series_goes_on_with_the_week(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "forecast.png"
    output = run("forecast_series.py", "--steps", 80, "--picture", picture)
    assert numbers("MASE", output)[0] < 1
    rows = [line.split() for line in output.splitlines() if line.startswith("2024-02-")]
    assert [row[0] for row in rows] == [f"2024-02-{day:02}" for day in range(6, 13)]
    sold = [float(row[1]) for row in rows]
    assert max(sold) == sold[4]  # a Saturday
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_look_inside_finds_the_unit_that_knows_quotations(run: Run) -> None:
    output = run("look_inside.py", "--steps", 300)
    told = {line.split(":")[0]: line for line in output.splitlines()}
    assert told["inside quotation marks"].endswith(", known")
    text, bars = output.splitlines()[-2:]
    assert len(text) == len(bars) == 70
    said = runpy.run_path(str(EXAMPLES / "look_inside.py"))["SAYING"]
    heights = ["▁▂▃▄▅▆▇█".index(bar) for bar in bars]
    inside, outside = [], []
    for word in re.finditer(r"[^ ⏎\"]+", text):
        side = inside if word[0] in said else outside
        side += heights[word.start() : word.end()]
    assert sum(inside) / len(inside) > sum(outside) / len(outside) + 1
