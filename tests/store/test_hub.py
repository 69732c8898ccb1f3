"""The hub, played by a small server: what is pushed is fetched and loads; failures are one sentence."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

import sunhwan
from sunhwan.api import push
from sunhwan.errors import StoreError, UsageError
from sunhwan.store import save_model
from tests.serve.helpers import VOCABULARIES, language

pytest.importorskip("huggingface_hub")
TOKEN = "hf_secret"


class Hub(BaseHTTPRequestHandler):
    """The few routes of the Hugging Face Hub that are used."""

    files: dict[str, bytes]
    asked: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        if self.path.endswith("/preupload/main"):
            given = [f["path"] for f in json.loads(body)["files"]]
            self._json({"files": [
                {"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in given
            ]})  # fmt: skip
            return
        if "/commit/" in self.path:
            for line in map(json.loads, body.decode().splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        url = f"http://{self.headers['Host']}/me/model"
        self._json(
            {"url": url, "commitUrl": f"{url}/commit/{SHA}", "commitOid": SHA, "name": "me/model"}
        )

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if "/resolve/" in self.path:
            self._send(self.files[self.path.rpartition("/")[2]])
        elif "me/model/tree/" in self.path:
            self._json([
                {"type": "file", "path": name, "size": len(body), "oid": f"{hash(body)}"}
                for name, body in self.files.items()
            ])  # fmt: skip
        elif "me/model" in self.path:
            siblings = [{"rfilename": name} for name in self.files]
            self._json({"id": "me/model", "sha": SHA, "siblings": siblings})
        else:
            self._send(b"", 404)

    def _json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), kind="application/json")

    def _send(self, body: bytes, status: int = 200, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body)}"')
        self.send_header("X-Repo-Commit", SHA)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


SHA = "0" * 40


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[Hub]]:
    Hub.files, Hub.asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    try:
        yield Hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_is_pushed_is_fetched_and_loads(
    hub: type[Hub], tmp_path: Path, caplog: Any, capsys: Any
) -> None:
    task = language(VOCABULARIES["characters"])
    save_model(tmp_path / "model", task, {"corpus": "notes"})
    (tmp_path / "model" / "private.txt").write_text("mine")
    loaded = sunhwan.load(tmp_path / "model")
    assert hub.asked == []  # nothing is sent unless it is asked for
    assert push(tmp_path / "model", "me/model").endswith("/me/model")
    assert sorted(hub.files) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: sunhwan\ntags: [")
    assert "corpus: notes" in card
    found = sunhwan.load("hf://me/model")
    for name, tensor in found.model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name])
    said = capsys.readouterr()
    assert TOKEN not in caplog.text + said.out + said.err + "".join(hub.asked)


def test_failures_are_one_sentence(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"refuses you/none \(HTTP 404\)") as failed:
        sunhwan.load("hf://you/none")
    assert TOKEN not in str(failed.value)
    with pytest.raises(UsageError, match="USER/NAME"):
        sunhwan.load("hf://none")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="cannot be reached"):
        sunhwan.load("hf://me/model")
