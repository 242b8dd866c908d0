"""The pages in a real browser: no error, no request, no overflow, no serious accessibility finding, A4 in
print.

Needs Chromium (on the path, or its file in BUS_CHROMIUM), the PyPI package playwright, and axe-core (below
`node_modules` at the repository's root, as `npm install --no-save axe-core` puts it, or its file in BUS_AXE).
Without them the tests are skipped; where the environment variable CI is set, that is a failure.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bus.benchmark import predict
from bus.benchmark.report import check_page, predict_page
from bus.benchmark.report.study_report import write_report
from bus.data import check, phantom

pytestmark = pytest.mark.browser

HOSTILE = "<script>alert(1)</script> & a very long class name without mercy for narrow screens"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = ("file:", "data:", "about:")


def lacking(what: str) -> None:
    """Skip, or fail where a machine is meant to have everything."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = os.environ.get("BUS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        lacking("no Chromium: install Debian's chromium or set BUS_CHROMIUM")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("no playwright: pip install playwright")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def axe() -> Path:
    found = Path(os.environ.get("BUS_AXE") or Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js")
    if not found.is_file():
        lacking("no axe-core: npm install --no-save axe-core, or set BUS_AXE")
    return found


def check_of(folder: Path) -> str:
    phantom.write_cohort(folder / "내 scans", 40, size=64)
    return (
        check_page.write_page(check.check(folder / "내 scans", k=3), folder / "쪽.html").absolute().as_uri()
    )


def answers_of(made: Any, folder: Path) -> str:
    """The page of `bus predict` for ten scans of a made-up study, half of them seen in training."""
    study, cell = made.study, made.cells[0]
    trained = predict.Trained(study, cell, None, 0)
    heat = np.arange(64).astype(np.uint8).reshape(8, 8)
    scans = [
        predict.AnsweredScan(
            f"a folder/of names/{scan.file}",
            scan.sha256,
            "training" if row % 2 else None,
            study.pixels[row],
            scan.box,
            scan.label,
            dict.fromkeys(study.classes, 1 / 3),
            heat,
        )
        for row, scan in enumerate(study.scans[:10])
    ]
    unreadable = [("x.png", "x.png is no picture.")]
    return (
        predict_page.write_page(predict.AnsweredScans(trained, scans, unreadable), folder / "answers.html")
        .absolute()
        .as_uri()
    )


@pytest.fixture(scope="module", params=["full", "korean", "bare", "check", "predict"])
def report(
    request: pytest.FixtureRequest, made_up: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The address of a page: a report with everything, one with nothing, a data check, answers."""
    if request.param == "check":
        return check_of(tmp_path_factory.mktemp("check"))
    if request.param == "predict":
        return answers_of(
            made_up(folds=(0,), translator=False, benign=HOSTILE), tmp_path_factory.mktemp("predict")
        )
    if request.param in ("full", "korean"):
        made = made_up(folds=(0, 1), banners=("Numbers of made-up answers mean nothing.",))
    else:
        made = made_up(
            folds=(0,), arms=("original", "weighted"), translator=False, benign=HOSTILE, preset="demo"
        )
    checks = made.checks if request.param != "bare" else None
    language: Any = "ko" if request.param == "korean" else "en"
    page = write_report(
        made.study,
        made.summary,
        cells=made.cells,
        checks=checks,
        commands=["bus benchmark"],
        language=language,
    )
    return (page.with_name("index.ko.html") if language == "ko" else page).as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_shows_without_error_request_or_overflow(browser: Any, report: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith(LOCAL) else route.abort()
    )
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "Enlarged pictures" not in page.inner_text("body")
    if page.locator(".gallery img").count():
        page.locator(".gallery img").first.click()
        assert page.locator("dialog[open] img").count() >= 1, "a picture enlarges on a click"
        page.keyboard.press("Escape")
        assert not page.locator("dialog[open]").count()
    assert not said and [url for url in asked if not url.startswith("data:")] == [report]
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    if HOSTILE not in page.inner_text("body"):  # names as long as BUSI's
        matrices = "[...document.querySelectorAll('.matrix')]"
        cut = f"{matrices}.filter(m => m.scrollWidth > m.clientWidth + 1).length"
        assert page.evaluate(cut) == 0, "a matrix is read whole"
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 680, "height": 900})  # what A4 leaves between its margins
        assert page.evaluate(cut) == 0
        page.emulate_media(media="screen")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", paper)[0]) < 128) == (scheme == "dark")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, axe: Path, report: str, scheme: str) -> None:
    context = browser.new_context(
        bypass_csp=True, color_scheme=scheme
    )  # the page's policy forbids axe's script
    page = context.new_page()
    page.goto(report)
    page.add_script_tag(path=str(axe))
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    found = page.evaluate("async () => await axe.run(document)")["violations"]
    assert [(f["id"], f["nodes"][0]["target"]) for f in found if f["impact"] in ("serious", "critical")] == []
    context.close()


def test_reads_without_scripts_and_prints_to_a4(browser: Any, report: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    assert page.get_by_role("heading", name=re.compile("^(Verdict|Answers|판정)$")).is_visible()
    assert page.get_by_role("table").first.is_visible()
    width, height = map(
        float, re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", page.pdf(prefer_css_page_size=True))[0]
    )
    assert (width, height) == pytest.approx((595, 842), abs=1)
    context.close()
