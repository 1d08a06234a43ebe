"""The page as a browser shows it, at the width of a desktop and of a phone."""

import base64
import io
import shutil

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from evals.gate import html, report
from evals.gate.comparison import compare
from evals.gate.logprobs import Compared
from evals.gate.verdict import judge
from tests.evals.gate.arms import arm, sample

WIDTHS = {"desktop": 1280, "phone": 360}
SETTINGS = {
    "engine": "vllm",
    "model": "org/model",
    "candidate_model": None,
    "features": "linear,mrope",
    "task": "mmmu_val",
    "dataset": None,
    "max_new_tokens": 128,
    "lmms_eval": "0.7.3",
    "max_drop": 0.01,
    "trust_servers": False,
    "logprob_tolerance": 0.02,
}
SCRIPT = "<script>document.title = 'taken'</script>"


def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (900, 500), "teal").save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@pytest.fixture(scope="module")
def result():
    before = [sample(i, subject=f"Subject_{i % 30}") for i in range(900)]
    after = [sample(i, subject=f"Subject_{i % 30}") for i in range(900)]
    for i in range(60):
        after[i] = sample(i, subject=f"Subject_{i % 30}", reply="B", score=0.0)
    after[0] = sample(0, subject="Subject_0", reply=SCRIPT + "word" * 60, score=0.0)
    comparison = compare(before, after, 0.01)
    judged = judge(comparison.overall, 0.01, [])
    pictures = {0: {"text": "Which digit is shown?", "pictures": [picture()]}}
    arms = [arm("baseline", before), arm("candidate", after)]
    compared = [Compared("image", 100, 0.5, 2.0, 0.9)]
    return report.summary(judged, SETTINGS, arms, comparison, compared, pictures)


@pytest.fixture(scope="module")
def browser(request):
    chromium = shutil.which("chromium")
    if not chromium and request.config.getoption("markexpr") == "not slow":
        pytest.skip("no chromium here: environments/browser.sh installs it, recorded runs want it")
    assert chromium, "no chromium: environments/browser.sh installs it"
    with sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = driver.chromium.launch(executable_path=chromium, args=options)
        yield started
        started.close()


@pytest.fixture(params=WIDTHS)
def page(request, browser, result, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(html.page(result))
    opened = browser.new_page(viewport={"width": WIDTHS[request.param], "height": 800})
    fetched = []
    opened.on("request", lambda one: fetched.append(one.url))
    opened.goto(file.as_uri())
    opened.fetched = fetched
    yield opened
    opened.close()


def test_the_verdict_and_its_reason_come_first(page):
    assert page.locator("h1 .verdict").inner_text() == "FAIL"
    said = page.locator("ul").inner_text()
    assert "the candidate answers worse: -0.0667, 60 lost, 0 won" in said
    assert "vllm, org/model; features of the candidate: linear,mrope" in said


def test_no_part_is_wider_than_the_screen(page):
    width, shown = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= shown


def test_every_subject_has_a_row_and_a_place_in_the_plot(page):
    assert page.locator(".subjects tr").count() == 1 + 30 + 1
    plot = page.locator(".plot svg")
    box = plot.bounding_box()
    assert box["width"] > 300
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    assert "Subject_29" in plot.text_content()


def test_every_flipped_question_is_shown_with_its_picture_and_both_replies(page):
    assert page.locator("article").count() == 60
    first = page.locator("article").first
    assert first.locator("img").evaluate("one => one.naturalWidth") == 900
    assert "Which digit is shown?" in first.inner_text()
    assert first.locator(".replies pre").count() == 2


def test_replies_are_text_whatever_they_hold(page):
    assert page.title() == "FAIL: engine_ext accuracy gate"
    assert SCRIPT in page.locator("article").first.inner_text()


def test_nothing_is_fetched(page):
    assert [url for url in page.fetched if not url.startswith(("file:", "data:"))] == []


def test_a_run_that_compared_nothing_still_has_a_page():
    judged = judge(None, 0.01, ["a request failed"])
    made = report.summary(judged, SETTINGS, [arm("baseline")], None, [], {})
    assert "a request failed" in html.page(made)
