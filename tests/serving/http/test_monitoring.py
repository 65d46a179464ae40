"""What a monitor and a programmer ask: alive, ready, which bundle, how many answers, and the API's own description."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from colles.core.limits import MAX_BYTES
from colles.serving.bundle import load_bundle
from colles.serving.card import LIMITS
from colles.serving.http.metrics import Metrics
from colles.serving.predictor import Predictor

ROOT = Path(__file__).parents[3]


def test_it_says_that_it_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/api/health").json() == {"status": "alive"}
    assert client.get("/api/ready").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/", "/api/health", "/api/ready", "/api/bundle", "/metrics"])
def test_a_monitor_may_ask_for_the_head_alone(client: TestClient, path: str, logged: list[str]) -> None:
    """`curl -I` and many monitors do; a server that lived answered 405."""
    asked, whole = client.head(path), client.get(path)
    assert asked.status_code == whole.status_code == 200 and asked.content == b""
    assert asked.headers["content-type"] == whole.headers["content-type"]
    assert f" HEAD {path} 200 " in logged[0]
    assert client.head("/api/predict").status_code == 405


def test_what_is_asked_in_a_wrong_way_says_the_right_one(client: TestClient) -> None:
    assert client.get("/api/predict").headers["allow"] == "POST"
    assert client.post("/api/health").headers["allow"] == "GET"


def test_it_says_which_bundle_answers_and_how_well(serve) -> None:
    bundle = load_bundle(ROOT / "models" / "fracture-fracatlas")
    client = TestClient(serve(predictor=Predictor(bundle)).app, base_url="http://localhost")
    told = client.get("/api/bundle").json()
    assert (told["name"], told["version"]) == (bundle.metadata.name, bundle.metadata.version)
    assert told["manifest_sha256"] == hashlib.sha256((bundle.folder / "manifest.json").read_bytes()).hexdigest()
    assert told["intended_use"] == bundle.metadata.intended_use and told["limits"][0] == LIMITS[0]
    assert told["gate"] is True and told["max_bytes"] == MAX_BYTES
    assert told["decides_by"] == ["rule_out", "rule_in"]
    point = told["operating_points"]["rule_in"]
    assert point["criterion"] == "specificity >= 0.95" and point["chosen_on"] == "val"
    assert 0 < point["threshold"] < 1 and 0 < point["probability"] < 1
    for name, found in (("measured", bundle.metadata.evaluation), ("external", bundle.metadata.external)):
        assert found is not None
        assert told[name]["n"] == found["n"] and told[name]["subset"] == found["subset"]
        sensitivity = told[name]["operating_points"]["rule_in"]["sensitivity"]
        assert sensitivity == found["operating_points"]["rule_in"]["sensitivity"]


def test_a_bundle_without_figures_says_that_nothing_is_known(client: TestClient) -> None:
    told = client.get("/api/bundle").json()
    assert told["measured"] is None and told["notes"] == [
        "It was not evaluated on a test set: nothing is known of its worth."
    ]


def test_the_description_is_whole_and_has_no_page_that_loads_from_elsewhere(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {"/api/predict", "/api/bundle", "/api/health", "/api/ready", "/metrics"}
    post = told["paths"]["/api/predict"]["post"]
    assert list(post["requestBody"]["content"]) == ["application/octet-stream"]
    assert {"200", "400", "413", "415", "503"} <= set(post["responses"])
    answer = told["components"]["schemas"]["Answer"]["properties"]
    assert {"status", "reason", "score", "probability", "decision", "boxes", "thresholds", "overlay"} <= set(answer)
    assert "path" not in answer and "HTTPValidationError" not in told["components"]["schemas"]


def test_answers_are_counted_by_status_and_decision(client: TestClient, radiograph: bytes) -> None:
    answers = [client.post("/api/predict", content=data).json() for data in (radiograph, radiograph, b"no image")]
    client.get("/a/name/of/somebody")
    told = client.get("/metrics").text
    assert f'colles_answers_total{{status="ok",decision="{answers[0]["decision"]}"}} 2\n' in told
    assert 'colles_answers_total{status="unreadable",decision="none"} 1\n' in told
    assert 'colles_responses_total{route="/api/predict",code="200"} 3\n' in told
    assert 'colles_responses_total{route="other",code="404"} 1\n' in told and "somebody" not in told
    assert 'colles_answer_seconds_bucket{le="+Inf"} 3\n' in told and "colles_answer_seconds_count 3\n" in told
    assert "colles_requests_held 0\n" in told


def test_counts_are_in_prometheus_form() -> None:
    metrics = Metrics()
    for seconds in (0.01, 0.05, 0.06, 99.0):
        metrics.answered("ok", "fracture", seconds)
    text = metrics.text(1)
    line = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.]+)')
    assert text.endswith("\n") and all(line.fullmatch(each) for each in text.splitlines())
    buckets = [int(n) for n in re.findall(r"_bucket\{.*\} (\d+)", text)]
    assert buckets[:2] == [2, 3] and buckets == sorted(buckets) and buckets[-2:] == [3, 4]
    named = set(re.findall(r"# TYPE (\w+)", text))
    assert named == {"colles_answers_total", "colles_responses_total", "colles_answer_seconds", "colles_requests_held"}


def test_the_log_says_method_route_status_and_seconds(client: TestClient, radiograph: bytes, logged: list[str]) -> None:
    client.post("/api/predict?plain=true", content=radiograph)
    (line,) = logged
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d POST /api/predict 200 \d+\.\d{3} s", line)
