"""Which models there are, what is known of them, their logs and reports, and newer ones."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan.errors import StoreError, UsageError
from sunhwan.serve import models
from sunhwan.serve.models import served
from sunhwan.serve.routes.training_log import PART
from sunhwan.store import Run, save_model
from tests.serve.helpers import VOCABULARIES, Client, client_of, language, refusal, save_run

ABC = VOCABULARIES["characters"]


def test_the_models_by_name(client: Client, language_runs: list[Path]) -> None:
    listed = client.get("/v1/models")
    names = [one["id"] for one in listed["data"]]
    assert names[: len(language_runs)] == [run.name for run in language_runs]
    assert len(set(names)) == len(names)
    for one in listed["data"]:
        assert client.get(f"/v1/models/{one['id']}") == one
        assert (one["object"], one["owned_by"]) == ("model", "sunhwan")
        assert isinstance(one["created"], int)
    assert refusal(client.ask("GET", "/v1/models/nobody"))[0] == 404


def test_what_is_known_of_each(client: Client) -> None:
    found = {one["id"]: one for one in client.get("/api/models")["models"]}
    text = found["jamo"]
    assert text["task"] == "language_model"
    assert (text["ready"], text["reason"], text["training"]) == (True, None, False)
    assert text["vocabulary"] == {"kind": "jamo", "size": len(VOCABULARIES["jamo"])}
    (stack,) = text["stacks"]
    assert stack["name"] == "recurrent"
    (layer,) = stack["layers"]
    assert layer == {
        "index": 0, "cell": "gru", "hidden_size": 7, "direction": "forward", "values": layer["values"]
    }  # fmt: skip
    traced = client.post("/api/trace", model="jamo", text="나는")
    assert sorted(layer["values"]) == sorted(traced["values"])
    assert text["inputs"] == []
    assert text["labels"] is None
    assert text["has"] == {"flow": False, "probes": False, "losses": False, "report": False}
    assert text["facts"]["parameters"] > 0
    classify = found["classify"]
    assert classify["labels"] == ["animal", "fruit"]
    assert classify["inputs"] == ["text"]
    assert [one["direction"] for one in classify["stacks"][0]["layers"]] == ["forward", "backward"]
    assert [one["index"] for one in classify["stacks"][0]["layers"]] == [0, 1]
    assert found["describe"]["inputs"] == ["temperature", "rain"]
    assert [stack["name"] for stack in found["translate"]["stacks"]] == ["encoder", "decoder"]
    assert found["forecast"]["stacks"] == []


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    folders = [save_run(tmp_path / place / "run", language(ABC)) for place in "abc"]
    assert list(served(folders)) == ["run", "run-2", "run-3"]
    assert list(served([folders[0] / "model"])) == ["model"]


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(StoreError, match=r"no run or model|cannot read|does not exist"):
            served([folder])
    large = language(ABC)
    with torch.no_grad():
        large.model.output.bias[0] = 1e6
    other = save_run(tmp_path / "other", large)
    with pytest.raises(UsageError, match="beyond int8"):
        served([other], "int8")


def test_a_model_appears_and_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "LOOK_EVERY", 0.0)
    first, second = language(ABC, seed=1), language(ABC, seed=2)
    run = Run.create(tmp_path / "run", first.config)
    body = {"model": "run", "prompt": "ab", "max_tokens": 20, "seed": 1}
    with client_of([run.folder]) as client:
        (told,) = client.get("/api/models")["models"]
        assert (told["ready"], told["task"]) == (False, "language_model")
        assert "first validation" in told["reason"]
        status, error = client.refused("/v1/completions", **body)
        assert (status, error["type"]) == (503, "server_error")
        save_model(run.model_folder, first, {})
        before = client.post("/v1/completions", **body)["choices"]
        session = client.post("/api/next", model="run", text="abc")["session"]
        save_model(run.model_folder, second, {})
        after = client.post("/v1/completions", **body)["choices"]
        assert before != after
        # What was typed is read anew by the new model.
        assert client.post("/api/next", model="run", text="abca", session=session)["read"] == 4
        # A model that is damaged takes the place of none.
        (run.model_folder / "model.safetensors").write_bytes(b"nothing")
        assert client.post("/v1/completions", **body)["choices"] == after
        (told,) = client.get("/api/models")["models"]
        assert told["ready"]


def test_a_run_in_training_says_so(tmp_path: Path) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    with client_of([run.folder]) as client:
        with run:
            assert client.get("/api/models")["models"][0]["training"]
            assert client.get("/api/losses/run")["training"]
        assert not client.get("/api/models")["models"][0]["training"]
        with run:  # and the lock was left to the trainer
            pass


def log(run: Run, *events: dict[str, Any]) -> None:
    for event in events:
        run.log(**event)


def step(number: int, loss: float = 1.5) -> dict[str, Any]:
    return {"event": "step", "step": number, "loss": loss, "grad_norm": 0.5, "seconds": 1.0}


def test_the_losses_from_a_byte_on(tmp_path: Path) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    clip = {"event": "clip", "step": 2, "grad_norm": 9.0, "limit": 1.0}
    with client_of([run.folder]) as client:
        empty = client.get("/api/losses/run")
        assert (empty["steps"], empty["next"], empty["finished"]) == ([], 0, False)
        log(run, step(1), clip, step(2), {"event": "validation", "step": 2, "loss": 1.25})
        found = client.get("/api/losses/run?since=0")
        assert found["steps"] == [[1, 1.5, 0.5, False], [2, 1.5, 0.5, True]]
        assert found["validations"] == [[2, 1.25]]
        assert found["events"] == [clip]
        assert found["next"] == run.log_file.stat().st_size
        assert client.get(f"/api/losses/run?since={found['next']}")["steps"] == []
        # A line that is being written is told when it is whole; a number that is none is null.
        with run.log_file.open("a") as file:
            file.write('{"event": "step", "step": 3, "loss": NaN')
        assert client.get(f"/api/losses/run?since={found['next']}")["next"] == found["next"]
        with run.log_file.open("a") as file:
            file.write("}\n")
        later = client.get(f"/api/losses/run?since={found['next']}")
        assert later["steps"] == [[3, None, None, False]]
        # A resumed run has cut the log: all is told again.
        run.rewind_logs({"log.jsonl": 40})
        again = client.get(f"/api/losses/run?since={later['next']}")
        assert again["next"] < later["next"]
        (run.folder / "loss.png").touch()
        assert client.get("/api/losses/run")["finished"]
        for bad in ("-1", "x", "1.5", "9" * 40):
            assert refusal(client.ask("GET", f"/api/losses/run?since={bad}"))[0] == 422


def test_a_long_log_comes_in_parts(tmp_path: Path) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    lines = "".join(json.dumps(step(n)) + "\n" for n in range(30_000))
    run.log_file.write_text(lines)
    assert len(lines) > 2 * PART
    with client_of([run.folder]) as client:
        seen: list[int] = []
        since = 0
        while since < len(lines):
            found = client.get(f"/api/losses/run?since={since}")
            assert since < found["next"] <= since + PART
            seen += [one[0] for one in found["steps"]]
            since = found["next"]
        assert seen == list(range(30_000))


def test_rubbish_in_a_log_is_passed_over(tmp_path: Path) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    run.log_file.write_bytes(b'\xff\n[]\n3\n{"event": 3}\n{}\nnull\n{"event": "step"}\n')
    with client_of([run.folder]) as client:
        assert client.get("/api/losses/run")["steps"] == [[None, None, None, False]]


def test_a_model_alone_has_no_log(tmp_path: Path) -> None:
    folder = save_run(tmp_path / "run", language(ABC)) / "model"
    with client_of([folder]) as client:
        assert refusal(client.ask("GET", "/api/losses/model"))[0] == 404
        assert not client.get("/api/models")["models"][0]["training"]


def test_the_report_as_it_is(tmp_path: Path) -> None:
    folder = save_run(tmp_path / "run", language(ABC))
    with client_of([folder]) as client:
        for path in ("/api/report/run", "/report/run"):
            status, error = refusal(client.ask("GET", path))
            assert status == 404
            assert "sunhwan inspect" in error["message"]
        (folder / "inspect").mkdir()
        (folder / "inspect" / "report.html").write_text("<script>alert(1)</script>")
        data = folder / "inspect" / "report.json"
        data.write_text('{"flow": {"lags": 3}, "probes": null}')
        assert client.get("/api/report/run") == {"flow": {"lags": 3}, "probes": None}
        page = client.ask("GET", "/report/run")
        assert page.text == "<script>alert(1)</script>"
        assert page.headers["content-security-policy"].startswith("sandbox allow-scripts; ")
        has = client.get("/api/models")["models"][0]["has"]
        assert has == {"flow": True, "probes": False, "losses": False, "report": True}
        data.write_text("[")
        assert not client.get("/api/models")["models"][0]["has"]["flow"]


@pytest.mark.parametrize("line", ["[" * 200_000, '{"event":' * 50_000, '"' * 9])
def test_a_deep_line_in_a_log_is_passed_over(tmp_path: Path, line: str) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    run.log_file.write_text(f"{line}\n{json.dumps(step(2))}\n")
    with client_of([run.folder]) as client:
        assert [one[0] for one in client.get("/api/losses/run")["steps"]] == [2]


@pytest.mark.parametrize("linked", ["report.json", "report.html", "inspect", "log.jsonl"])
def test_no_link_leads_out_of_a_run_folder(tmp_path: Path, linked: str) -> None:
    """A folder that somebody else made must not show the files of who serves it."""
    run = Run(save_run(tmp_path / "run", language(ABC)))
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("report.json", "report.html", "log.jsonl"):
        (secret / name).write_text(json.dumps({"flow": "secret", **step(7)}))
    run.report_folder.mkdir()
    for name in ("report.json", "report.html"):
        (run.report_folder / name).write_text('{"flow": "own"}')
    if linked == "inspect":
        for path in run.report_folder.iterdir():
            path.unlink()
        run.report_folder.rmdir()
        run.report_folder.symlink_to(secret)
    elif linked == "log.jsonl":
        run.log_file.symlink_to(secret / linked)
    else:
        (run.report_folder / linked).unlink()
        (run.report_folder / linked).symlink_to(secret / linked)
    with client_of([run.folder]) as client:
        for path in ("/api/report/run", "/report/run", "/api/losses/run", "/api/models"):
            assert b"secret" not in client.ask("GET", path).content
        assert client.get("/api/losses/run")["steps"] == []
        has = client.get("/api/models")["models"][0]["has"]
        gone = linked in ("report.html", "inspect")
        assert (has["report"], has["losses"]) == (not gone, False)
        wanted = 404 if linked in ("report.json", "inspect") else 200
        assert client.ask("GET", "/api/report/run").status_code == wanted


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_report_that_is_no_plain_file_is_none(tmp_path: Path, kind: str) -> None:
    run = Run(save_run(tmp_path / "run", language(ABC)))
    run.report_folder.mkdir()
    for path in (
        run.report_folder / "report.json",
        run.report_folder / "report.html",
        run.log_file,
    ):
        path.mkdir() if kind == "folder" else os.mkfifo(path)
    with client_of([run.folder]) as client:
        assert refusal(client.ask("GET", "/api/report/run"))[0] == 404
        assert refusal(client.ask("GET", "/report/run"))[0] == 404
        assert client.get("/api/losses/run")["steps"] == []
        assert not any(client.get("/api/models")["models"][0]["has"].values())


def test_while_a_model_is_read_others_get_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slowly a new model is read, nobody but the one who came upon it waits."""
    monkeypatch.setattr(models, "LOOK_EVERY", 0.0)
    run = Run(save_run(tmp_path / "run", language(ABC, seed=1)))
    one = served([run.folder])["run"]
    before, _ = one.look()
    begun, go_on = threading.Event(), threading.Event()
    read = models.load_model

    def slowly(folder: Path) -> Any:
        begun.set()
        assert go_on.wait(20)
        return read(folder)

    monkeypatch.setattr(models, "load_model", slowly)
    save_model(run.model_folder, language(ABC, seed=2), {})
    first = threading.Thread(target=one.look)
    first.start()
    assert begun.wait(20)
    others: list[Any] = []
    waiting = [threading.Thread(target=lambda: others.append(one.look()[0])) for _ in range(12)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join(5)
    assert others == [before] * 12
    go_on.set()
    first.join(20)
    after, reason = one.look()
    assert after is not before
    assert reason == ""
