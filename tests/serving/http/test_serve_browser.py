"""The page in a real browser: an answer, its pictures, a strict policy, narrow and dark screens, no other host.

It needs Debian's chromium (`apt-get install --no-install-recommends chromium`) and skips where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hostile import dicom_file, seeds

from chromium import MARKS, PATIENCE, chromium
from program import Program, program

ROOT = Path(__file__).parents[3]
EVIL = "<img src=x onerror=alert(1)>.jpg"
pytestmark = list(MARKS)


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    # Most simulated radiographs are refused, which is another test's matter.
    with program("--bundle", ROOT / "models" / "fracture-fracatlas", "--no-gate") as started:
        yield started


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from colles.core.recipe import PhantomRecipe
    from colles.datasets.phantom.write import write_phantoms

    folder = write_phantoms(tmp_path_factory.mktemp("browser") / "p", PhantomRecipe(images=20, size=256), workers=1)
    return max(folder.glob("FracAtlas/images/Fractured/*.jpg"), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def complaints() -> list[str]:
    """Collect what the browser's console says, and requests that leave the server."""
    return []


@pytest.fixture
def page(browser: Any, server: Program, complaints: list[str]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    ours = (server.address, "data:")
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith(ours) else complaints.append(asked.url))
    opened.goto(server.address)
    yield opened
    context.close()


def drop(page: Any, *files: Path) -> None:
    page.set_input_files("input[type=file]", [str(file) for file in files])
    page.locator(f".card:not(.waiting) >> nth={len(files) - 1}").wait_for()


def test_a_radiograph_gets_a_decision_with_its_worth_and_its_pictures(
    page: Any, phantom: Path, complaints: list[str]
) -> None:
    drop(page, phantom)
    card = page.locator(".card")
    decision = card.locator(".decision").inner_text()
    assert decision in ("Fracture suspected", "No fracture seen", "Uncertain: look yourself")
    assert "probability" in card.locator(".scale .mark").inner_text()
    assert card.locator(".scale").get_attribute("aria-label").startswith("Probability ")
    assert card.locator(".scale .tick").count() == 2
    assert card.locator(".often").inner_text().startswith("Of 100 test images")
    assert card.locator("tr.here").count() >= 2  # on test and on a set that it never saw
    assert f"{phantom.name}: {decision}, probability" in page.locator("#said").inner_text()
    sizes = page.evaluate("[...document.querySelectorAll('.layers img')].map(e => [e.naturalWidth, e.naturalHeight])")
    assert len(sizes) == 2 and sizes[0] == sizes[1] and min(sizes[0]) > 100
    assert complaints == []


def test_the_heat_map_fades_by_keyboard(page: Any, phantom: Path) -> None:
    drop(page, phantom)
    slider = page.get_by_label("Opacity of the heat map")
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator(".heat").evaluate("e => e.style.opacity") == "0"
    page.keyboard.press("ArrowRight")
    assert page.locator(".heat").evaluate("e => e.style.opacity") == "0.01"
    button = page.get_by_role("button", name="Larger")
    narrow = page.locator(".plain").bounding_box()["width"]
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator(".plain").bounding_box()["width"] > narrow


def test_several_files_each_get_a_card_and_names_are_only_text(
    page: Any, phantom: Path, tmp_path: Path, complaints: list[str]
) -> None:
    (tmp_path / EVIL).write_bytes(b"no image")
    (tmp_path / "empty.png").write_bytes(b"")
    files = [tmp_path / EVIL, phantom, tmp_path / "empty.png"]
    data = dicom_file(__import__("numpy").arange(128 * 128, dtype="uint16").reshape(128, 128))
    if data is not None:
        files.append(tmp_path / "film.dcm")
        files[-1].write_bytes(data)
    drop(page, *files)
    cards = page.locator(".card")
    assert cards.count() == len(files)
    assert cards.nth(0).locator(".file").inner_text() == EVIL
    assert cards.nth(0).locator(".decision").inner_text() == "Not answered"
    assert cards.nth(0).locator(".why").inner_text() == "Unreadable: is not an image that can be read"
    assert cards.nth(2).locator(".why").inner_text() == "The file is empty"
    if data is not None:
        assert cards.nth(3).locator(".plain").evaluate("e => e.naturalWidth") == 128
    assert complaints == []


def test_the_policy_stops_what_is_not_of_the_page(page: Any, server: Program, complaints: list[str]) -> None:
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        " const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i); }"
    )
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.ran") is None
    assert sum("Content Security Policy" in text for text in complaints) >= 2
    assert page.evaluate("() => fetch('http://localhost:9/').then(() => 'asked', () => 'stopped')") == "stopped"


FORM = (
    "() => { const f = document.createElement('form'); f.action = '%s'; f.method = 'post'; f.enctype = 'text/plain';"
    " f.innerHTML = '<input name=a value=b>'; document.body.append(f); f.submit(); }"
)
ASKED = (
    "() => fetch('%s', {method: 'POST', body: 'x', mode: 'no-cors'}).then(() => 'asked', () => 'stopped')",
    "() => fetch('%s', {method: 'POST', body: 'x', mode: 'no-cors', referrerPolicy: 'no-referrer'})"
    ".then(() => 'asked', () => 'stopped')",
    "() => { navigator.sendBeacon('%s', 'x'); }",
    FORM,
)


@pytest.mark.parametrize("ask", ASKED, ids=["fetch", "without a referrer", "beacon", "form"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # another port, another site
def test_a_page_of_another_site_cannot_make_this_browser_post(
    browser: Any, server: Program, ask: str, host: str
) -> None:
    """It could not fail: the page that asked was the server's own, whose policy stops it."""
    with ThreadingHTTPServer((host, 0), Elsewhere) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        context = browser.new_context()
        elsewhere = context.new_page()
        elsewhere.goto(f"http://{host}:{other.server_port}/")
        before = len(server.said)
        elsewhere.evaluate(ask % f"{server.address}/api/predict")
        for _ in range(100):
            posts = [line for line in server.said[before:] if " POST " in line]
            if posts:
                break
            elsewhere.wait_for_timeout(50)
        context.close()
        other.shutdown()
    assert len(posts) == 1 and " POST /api/predict 403 " in posts[0]


class Elsewhere(BaseHTTPRequestHandler):
    """An empty page without any policy."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><body></body>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_file_field_can_be_reached_by_tab(page: Any) -> None:
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.type") == "file":
            return
    pytest.fail("not reached")


CUT_OFF = (
    "() => [...document.querySelectorAll('.card')].flatMap(card => [...card.querySelectorAll('.head *, .facts *')]"
    ".filter(e => e.getBoundingClientRect().right > card.getBoundingClientRect().right).map(e => e.textContent))"
)


def test_nothing_sticks_out_or_is_cut_off_at_any_width(page: Any, phantom: Path) -> None:
    """Intervals lost their end on a tablet held upright and on the narrowest phones: a card hides what is too wide."""
    drop(page, phantom)
    page.locator("summary").click()
    for width in (320, 360, 390, 744, 768, 810, 849, 1200):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        assert page.evaluate(CUT_OFF) == [], width


def test_a_dark_screen_gets_a_dark_page(page: Any) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    assert int(page.evaluate(ground).removeprefix("rgb(").split(",")[0]) < 60


def test_what_it_is_for_can_be_read_without_scripts(browser: Any, server: Program) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(server.address)
    assert opened.get_by_text("Not a medical device.", exact=True).is_visible()
    assert opened.get_by_text("sensitivity at rule-in").first.is_visible()
    context.close()


def test_a_busy_server_is_asked_again(page: Any, phantom: Path, complaints: list[str]) -> None:
    asked: list[int] = []

    def busy_once(route: Any) -> None:
        asked.append(1)
        if len(asked) == 1:
            route.fulfill(status=503, headers={"Retry-After": "0"}, json={"error": "busy", "repair": "again"})
        else:
            route.continue_()

    page.route("**/api/predict*", busy_once)
    drop(page, phantom)
    assert len(asked) == 2 and page.locator(".often").is_visible()


def answered(page: Any, file: Path, **changed: Any) -> Any:
    """Drop a file on the page, let the server's answer be `changed`, and return its card."""

    def change(route: Any) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), **changed})

    page.route("**/api/predict*", change)
    drop(page, file)
    return page.locator(".card")


def thresholds(rule_out: float, rule_in: float) -> dict[str, Any]:
    ends = {"rule_out": rule_out, "rule_in": rule_in}
    return {"thresholds": {name: {"score": value, "probability": value} for name, value in ends.items()}}


@pytest.mark.parametrize(
    ("probability", "decision", "shown", "ends"),
    [
        (0.0251, "no_fracture", "0.025", ["0.026", "0.311"]),
        (0.0341, "uncertain", "0.034", ["0.026", "0.311"]),
        (0.02599, "no_fracture", "0.02599", ["0.02604", "0.31088"]),
        (0.76, "fracture", "0.76", ["0.03", "0.31"]),
        (0.001, "no_fracture", "< 0.01", ["0.03", "0.31"]),
    ],
)
def test_a_probability_never_looks_like_the_threshold_that_it_is_not(
    page: Any, phantom: Path, probability: float, decision: str, shown: str, ends: list[str]
) -> None:
    """`no fracture below 0.03` stood below 0.03, both where no fracture was seen and where it was uncertain."""
    told = thresholds(0.026039, 0.310875)
    card = answered(page, phantom, status="ok", probability=probability, decision=decision, **told)
    assert card.locator(".mark").inner_text() == f"probability {shown}"
    texts = [f"no fracture below {ends[0]}", f"suspected from {ends[1]}"]
    assert card.locator(".tick").all_inner_texts() == texts
    assert page.locator("#said").inner_text().endswith(f"probability {shown}.")


def test_one_threshold_alone_has_one_mark(page: Any, phantom: Path) -> None:
    card = answered(page, phantom, status="ok", probability=0.9, decision="fracture", **thresholds(0.5, 0.5))
    assert card.locator(".tick").all_inner_texts() == ["suspected from 0.50"]
    assert card.locator(".scale").get_attribute("aria-label").endswith("threshold at 0.50")


def test_it_is_said_where_only_the_first_of_several_pictures_was_judged(page: Any, phantom: Path) -> None:
    """A film of three views was answered as if it were one."""
    card = answered(page, phantom, frames=3)
    told = "Only the first of its 3 pictures was judged."
    assert card.locator(".first").inner_text() == told and page.locator("#said").inner_text().endswith(told)
    page.unroute_all()
    drop(page, phantom, phantom)
    assert not page.locator(".card").nth(1).locator(".first").is_visible()


def test_another_bundle_behind_an_open_page_gets_no_worth_of_the_first(page: Any, phantom: Path) -> None:
    """After a restart with another bundle its answers stood beside the figures of the first."""
    card = answered(page, phantom, status="ok", bundle="other@1", probability=0.9, decision="fracture")
    assert card.locator(".decision").inner_text() == "Not answered" and not card.locator(".worth").is_visible()
    told = "Another bundle answers now (other@1): load this page again"
    assert card.locator(".why").inner_text() == told and page.locator("#said").inner_text().endswith(f". {told}")


@pytest.mark.parametrize("status", [200, 401, 413])
def test_a_page_of_a_proxy_is_no_answer(page: Any, phantom: Path, status: int) -> None:
    """`Unexpected token '<'` was the reason where a login page came, `Try again` where the film was too large."""
    page.route("**/api/predict*", lambda route: route.fulfill(status=status, body="<!doctype html>Log in"))
    drop(page, phantom)
    told = page.locator(".why").inner_text()
    assert told.startswith("Something before the server answered: load") and told.endswith(f"(status {status})")


def test_every_reason_makes_a_sentence(page: Any, phantom: Path) -> None:
    """`The file 60000 x 60000 pixels are above the limit` did not."""
    told = "60000 x 60000 pixels are above the limit of 100000000"
    card = answered(page, phantom, status="unreadable", reason=f"too_large: {told}", decision=None, plain=None)
    assert card.locator(".why").inner_text() == f"Unreadable: {told}"


def test_the_answer_to_what_was_dropped_last_is_the_first_in_sight(page: Any, phantom: Path, tmp_path: Path) -> None:
    """It came below all others, out of sight, while the answer to another film stood there."""
    drop(page, phantom, phantom)
    for name in ("later.png", "last.png"):
        (tmp_path / name).write_bytes(b"no image")
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    page.set_input_files("input[type=file]", [str(tmp_path / "later.png"), str(tmp_path / "last.png")])
    page.locator(".card:not(.waiting) >> nth=3").wait_for()
    names = page.locator(".card .file").all_inner_texts()
    assert names == ["later.png", "last.png", phantom.name, phantom.name]
    top = page.locator(".card").first.bounding_box()["y"]
    assert 0 < top < 900 and page.locator(".device").bounding_box()["y"] >= 0


def test_a_reason_does_not_stick_to_the_picture_above_it(page: Any, phantom: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    card = answered(page, phantom, status="refused", reason="unlike", decision=None)
    picture, why = (card.locator(each).bounding_box() for each in (".picture", ".why"))
    assert why["y"] >= picture["y"] + picture["height"] + 6


def test_every_kind_that_is_read_is_shown(page: Any, tmp_path: Path) -> None:
    """A browser shows neither TIFF nor DICOM by itself."""
    kinds = [name for name in seeds() if name.endswith((".tif", ".dcm", ".webp"))]
    files = [tmp_path / name for name in kinds]
    for file in files:
        file.write_bytes(seeds()[file.name])
    drop(page, *files)
    assert page.evaluate("() => [...document.querySelectorAll('.plain')].map(e => e.naturalWidth)") == [24] * len(files)
