"""Health, readiness and measurements: what an orchestrator and Prometheus ask for."""

import re
import shutil
from pathlib import Path

from sunhwan.serve.measurements import BOUNDS, Measurements
from tests.serve.helpers import Client, client_of

LINE = re.compile(
    r'(# TYPE \w+ (counter|gauge|histogram)|\w+(\{\w+="[^"\\]*"(,\w+="[^"\\]*")*\})? \S+)'
)


def lines(client: Client) -> dict[str, float]:
    text = client.ask("GET", "/metrics").text
    assert text.endswith("\n")
    assert all(LINE.fullmatch(line) for line in text.splitlines()), text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, value in pairs}


def test_requests_are_counted_by_address_and_answer(language_runs: list[Path]) -> None:
    with client_of(language_runs) as client:
        client.ask("GET", "/health")
        client.ask("GET", "/v1/models/nobody")
        client.ask("GET", "/nothing/at/all")
        client.ask("GET", "/health", headers={"host": "elsewhere"})
        found = lines(client)
    route = 'sunhwan_requests_total{method="GET",route="%s",status="%d"}'
    assert found[route % ("/health", 200)] == 1
    assert found[route % ("/v1/models/{name}", 404)] == 1
    assert found[route % ("other", 404)] == 1
    assert found[route % ("other", 403)] == 1
    assert found["sunhwan_requests_running"] == 1  # the one that asks
    assert found["sunhwan_requests_waiting"] == 0
    assert found['sunhwan_request_seconds_bucket{route="/health",le="+Inf"}'] == 1


def test_buckets_hold_all_that_took_no_longer() -> None:
    measurements = Measurements()
    for seconds in (0.001, 0.005, 0.2, 99.0):
        measurements.add("GET", "/x", 200, seconds)
    text = measurements.text(3)
    counts = [int(n) for n in re.findall(r'_bucket\{route="/x",le="[^"]+"\} (\d+)', text)]
    assert counts == [2 if bound < 0.25 else 3 for bound in BOUNDS] + [4]
    assert 'sunhwan_request_seconds_count{route="/x"} 4' in text
    assert "sunhwan_requests_waiting 3" in text


def test_ready_when_every_model_can_be_read_and_the_server_goes_on(
    tmp_path: Path, language_runs: list[Path]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(language_runs[0], copy)
    with client_of([copy]) as client:
        assert client.get("/ready") == {"status": "ready"}
        client.app.state.service.stop()
        assert client.ask("GET", "/ready").status_code == 503
        assert client.get("/health") == {"status": "ok"}
    (copy / "model" / "config.json").write_text("{", encoding="utf-8")
    with client_of([copy]) as client:
        found = client.ask("GET", "/ready")
        assert found.status_code == 503, found.text
