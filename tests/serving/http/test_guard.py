"""Whom the server answers: its own names, its own page, and programs; and how strict it asks browsers to be."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from colles.core.errors import UsageError
from colles.serving.http.app import create_service


def ask(serve: Any, *hosts: str, host: str, path: str = "/api/health") -> int:
    client = TestClient(serve(hosts=hosts).app, base_url="http://127.0.0.1")
    return int(client.get(path, headers={"host": host}).status_code)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "LOCALHOST", "[::1]:8000", "[::1]"])
def test_names_of_the_loopback_are_its_own(serve: Any, host: str) -> None:
    assert ask(serve, host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", "", "[::1", "::1", "a@localhost.evil",
     "192.0.2.1"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/health", "/nowhere"])
def test_a_name_that_was_made_to_point_here_is_refused(serve: Any, host: str, path: str) -> None:
    assert ask(serve, host=host, path=path) == 403


def test_names_given_by_hand_are_its_own(serve: Any) -> None:
    assert ask(serve, "Colles.example", "::2", host="colles.example:8080") == 200
    assert ask(serve, "colles.example", "[2001:db8::1]", host="[2001:DB8::1]:80") == 200
    assert ask(serve, "colles.example", host="other.example") == 403


def test_two_hosts_are_none(client: TestClient) -> None:
    found = client.get("/api/health", headers=[("host", "localhost"), ("host", "evil.example")])
    assert found.status_code == 403


POSTS = [
    ({}, True),
    ({"origin": "http://127.0.0.1:8000"}, True),
    ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"origin": "http://127.0.0.1:9999"}, False),
    ({"origin": "http://localhost:8000"}, False),
    ({"origin": "http://evil.example"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8000"}, False),
    ({"origin": "https://colles.example"}, True),
    ({"origin": "https://colles.example:444", "sec-fetch-site": "same-origin"}, True),
    ({"origin": "https://colles.example.evil"}, False),
]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1"])
def test_another_port_of_the_address_it_listens_on_is_another_site(serve: Any, radiograph: bytes, address: str) -> None:
    """The program gave its own address as a name that is ours under any port."""
    client = TestClient(serve(address=address).app, base_url=f"http://{address}:8000")
    for port, status in ((8000, 200), (9999, 403)):
        headers = {"origin": f"http://{address}:{port}"}
        assert client.post("/api/predict", content=radiograph, headers=headers).status_code == status


@pytest.mark.parametrize("name", ["http://colles.example", "colles.example:8443", "colles.example/", "*.example", "",
                                  "kölles.example", "[::1]:8000", "two words"])  # fmt: skip
def test_a_name_that_no_browser_sends_is_refused(serve: Any, name: str) -> None:
    """It was taken, and whoever came by the name that was meant got 403."""
    with pytest.raises(UsageError, match=r"^--allow-host: .* is no name of a host\. Leave out") as error:
        serve(hosts=[name])
    assert repr(name) in str(error.value)


def test_a_page_behind_a_proxy_that_nobody_named_is_told_how_to_name_it(client: TestClient) -> None:
    """It was shown, since such a proxy asks by the server's own name, and told to use the page of this server."""
    assert client.get("/").status_code == 200
    found = client.post("/api/predict", content=b"x", headers={"origin": "https://colles.example"})
    assert found.status_code == 403 and "--allow-host" in found.json()["repair"]


@pytest.mark.parametrize(("headers", "taken"), POSTS)
def test_a_page_of_another_site_cannot_post(
    serve: Any, radiograph: bytes, headers: dict[str, str], taken: bool
) -> None:
    client = TestClient(serve(hosts=["colles.example"]).app, base_url="http://127.0.0.1:8000")
    found = client.post("/api/predict", content=radiograph, headers=headers)
    assert found.status_code == (200 if taken else 403)
    assert "access-control-allow-origin" not in found.headers


def test_a_browser_may_not_be_told_that_others_are_welcome(client: TestClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    found = client.options("/api/predict", headers=headers)
    assert found.status_code == 403 and not [name for name in found.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/api/bundle", "/api/predict", "/openapi.json", "/metrics", "/nowhere"])
def test_every_response_is_strict_and_kept_nowhere(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in headers["content-security-policy"] and "http" not in headers["content-security-policy"]
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert (headers["referrer-policy"], headers["cross-origin-resource-policy"]) == ("no-referrer", "same-origin")


def test_a_websocket_gets_nothing(predictor: Any) -> None:
    import asyncio

    service = create_service(predictor, log=lambda _: None)
    asyncio.run(service.app({"type": "websocket"}, None, None))  # type: ignore[arg-type]
    service.desk.close()
