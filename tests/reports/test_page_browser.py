"""The page in a browser: everything works by pointer and by keyboard, and nothing leaves the file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the page's browser tests need playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="they need axe-playwright-python")
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

WIDE, NARROW = (1440, 900), (390, 844)


@dataclass
class Watched:
    """A page, and what it said or asked for that it should not."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, size: tuple[int, int], scheme: str = "light") -> Watched:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    watched = Watched(page)
    page.on("console", lambda message: watched.complaints.append(message.text))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.goto(path.as_uri())
    return watched


@pytest.fixture(scope="module")
def wide(browser: Browser, scored_page: Path) -> Iterator[Watched]:
    watched = opened(browser, scored_page, WIDE)
    yield watched
    watched.page.close()


def violations(page: Page) -> list[str]:
    """Return what axe finds, of any impact."""
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found]


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light")])
def test_nothing_is_requested_reported_inaccessible_or_cut_off(
    browser: Browser, scored_page: Path, size: tuple[int, int], scheme: str
) -> None:
    watched = opened(browser, scored_page, size, scheme)
    page = watched.page
    page.locator(".verdict summary").click()
    assert page.locator(".verdict details p").first.is_visible()
    for section in page.locator("main section").all():
        section.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert violations(page) == []
    page.locator(".grid:visible .shot").first.click()
    assert violations(page) == []
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [scored_page.as_uri()]
    page.close()


def test_every_chart_is_drawn(wide: Watched) -> None:
    for kind, count in (("plane", 1), ("matrix", 2), ("scales", 2)):
        charts = wide.page.locator(f'.chart[data-kind="{kind}"]')
        assert charts.count() == count
        assert charts.first.locator("svg.main-svg").count() > 0
    expect(wide.page.locator("#chart-plane .scatterlayer .points path")).to_have_count(10 + 1)


def test_pointing_shows_a_cell_with_its_images_and_clicking_pins_it(wide: Watched) -> None:
    page = wide.page
    point = page.locator("#chart-plane .scatterlayer .trace .points path").nth(2)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = page.locator("#card")
    card.wait_for(state="visible")
    assert card.locator(".cell-name").text_content() == "v1 at guidance scale 3"
    assert "4.000 (3.902 to 4.098)" in str(card.text_content())
    assert card.locator("img").count() == 3
    assert page.locator("#pinned .cell-name").text_content() == "v2 at guidance scale 2"
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#pinned .cell-name").text_content() == "v1 at guidance scale 3"
    page.mouse.move(5, 5)
    card.wait_for(state="hidden")


def test_a_cell_can_be_chosen_from_the_list_and_follows_the_prompt(wide: Watched) -> None:
    page = wide.page
    page.locator("#cell-choice").select_option(label="v2 at guidance scale 8")
    assert page.locator("#pinned .cell-name").text_content() == "v2 at guidance scale 8"
    assert "“a large red circle”" in str(page.locator("#pinned").text_content())
    page.get_by_role("button", name="Next prompt").click()
    assert "“a <small> blue & square”" in str(page.locator("#pinned").text_content())
    assert page.locator(".grid:visible").count() == 1
    page.get_by_role("button", name="Previous prompt").click()


def test_the_grid_enlarges_and_arrow_keys_move_through_it(wide: Watched) -> None:
    page = wide.page
    shots = page.locator(".grid:visible .shot")
    shots.nth(6).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    name, viewer = page.locator("#viewer-name"), page.locator("#viewer")
    assert viewer.is_visible()
    assert name.text_content() == "v2 at guidance scale 3"
    assert page.locator("#viewer-note").text_content() == "CLIP score of this image: 0.660"
    source = shots.nth(7).locator("img").get_attribute("src")
    assert page.locator("#viewer-image").get_attribute("src") == source
    assert page.locator("#viewer-original").get_attribute("href") == "../images/v2_s3/p0.png"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert name.text_content() == "v1 at guidance scale 3"
    assert page.locator('#viewer [data-move="up"]').is_disabled()
    page.locator('#viewer [data-move="left"]').click()
    assert name.text_content() == "v1 at guidance scale 2"
    page.keyboard.press("Escape")
    assert not viewer.is_visible()


def test_a_picture_is_embedded_once_and_shows_everywhere(wide: Watched) -> None:
    # The extremes and the costly images of this run are those of the grid.
    copies = wide.page.locator("img[data-same]")
    assert copies.count() > 0
    sources = copies.evaluate_all("images => images.map(image => image.src.slice(0, 16))")
    assert set(sources) == {"data:image/webp;"}


def test_two_cells_of_the_matrix_are_compared_in_words(wide: Watched) -> None:
    page = wide.page
    box = page.locator(".pair").first
    page.locator("#cell-choice").select_option("v2_s2")
    assert box.locator("[data-result]").text_content() == (
        "v2 at 2 minus v2 at 1.5: −0.200, 95% interval −0.396 to −0.004, corrected p = 1.00: not settled."
    )
    before, after = box.locator(".slider img").all()
    assert before.get_attribute("alt") == "v2 at guidance scale 2: a large red circle"
    assert after.get_attribute("alt") == "v2 at guidance scale 1.5: a large red circle"
    assert before.get_attribute("src") != after.get_attribute("src")
    box.locator('input[type="range"]').fill("20")
    assert after.evaluate("image => getComputedStyle(image).clipPath") == "inset(0px 0px 0px 20%)"
    field = page.locator('.chart[data-kind="matrix"]').first.locator(".heatmaplayer")
    # The contents stay at the top of the screen and would cover a field there.
    field.evaluate("field => field.scrollIntoView({ block: 'center', behavior: 'instant' })")
    area = field.locator("image").first.bounding_box()
    assert area
    page.mouse.click(area["x"] + area["width"] * 0.95, area["y"] + area["height"] * 0.05)
    expect(box.locator("[data-result]")).to_have_text(re.compile("v2 at 1.5 minus v1 at 8: −4.800"))
    assert box.locator(".pair-shots img").count() == 2


def test_one_selection_holds_for_all_sections_and_for_the_address(
    browser: Browser, scored_page: Path
) -> None:
    page = opened(browser, scored_page, WIDE).page
    page.locator("#extremes select").select_option("v1_s5")
    assert page.locator("#pinned .cell-name").text_content() == "v1 at guidance scale 5"
    assert page.locator("#influence select").input_value() == "v1_s5"
    assert page.locator('#comparisons .pair:visible select[data-chooser="cell"]').input_value() == "v1_s5"
    assert (
        page.locator(".grid:visible td.chosen .shot").get_attribute("data-name") == "v1 at guidance scale 5"
    )
    page.locator("#values select").select_option("clip-score-test")
    assert page.locator("#comparisons .comparison:visible h3 code").text_content() == "clip-score-test"
    page.get_by_role("link", name="This prompt in all cells").click()
    address = page.evaluate("location.href")
    assert address.startswith(f"{scored_page.as_uri()}#grid&")
    again = opened(browser, scored_page, WIDE).page
    again.goto(address)
    assert again.locator("#pinned .cell-name").text_content() == "v1 at guidance scale 5"
    assert again.locator("#values select").input_value() == "clip-score-test"
    again.goto("about:blank")
    again.goto(f"{scored_page.as_uri()}#values&cell=gone&metric=fd-test")
    assert again.locator("#pinned .cell-name").text_content() == "v2 at guidance scale 2"
    assert again.locator('#values [data-panel="metric"]:visible').count() == 1
    for one in (page, again):
        one.close()


def test_tables_are_sorted_and_searched_and_go_with_the_file(wide: Watched) -> None:
    page = wide.page
    table = page.locator("#comparisons table[data-sortable]:visible").first
    values = table.locator("tbody td:nth-child(2)")
    best_first = values.all_text_contents()
    heading = table.get_by_role("button", name=re.compile("^Value"))
    heading.click()
    assert values.all_text_contents() == best_first
    heading.click()
    assert values.all_text_contents() == best_first[::-1]
    assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "descending"
    page.locator("#comparisons input[type=search]:visible").fill("v1")
    assert table.locator("tbody tr:visible").count() == 5
    with page.expect_download() as download:
        page.get_by_role("link", name="results.csv").click()
    run = Path(str(page.url).removeprefix("file://").split("#")[0]).parents[1]
    assert download.value.path().read_bytes() == (run / "results.csv").read_bytes()


def test_one_tab_passes_a_grid(wide: Watched) -> None:
    page = wide.page
    focusable = page.locator(".grid:visible .shot[tabindex='0']")
    assert page.locator(".grid:visible .shot").count() == 10
    assert focusable.count() == 1
    page.locator(".grid:visible .shot").nth(4).focus()
    assert focusable.count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.grid') === null")


def test_hiding_a_curve_hides_its_labels(wide: Watched) -> None:
    page = wide.page
    labels = page.locator("#chart-plane .annotation")
    before = labels.count()
    page.locator("#chart-plane .legendtoggle").first.click()
    expect(labels).to_have_count(before - 5)
    page.locator("#chart-plane .legendtoggle").first.click()
    expect(labels).to_have_count(before)


def test_a_narrow_screen_labels_the_ends_of_curves_only(browser: Browser, scored_page: Path) -> None:
    watched = opened(browser, scored_page, NARROW)
    assert watched.page.locator("#chart-plane .annotation").count() == 4
    watched.page.close()


def test_a_screen_that_is_turned_keeps_room_for_every_chart(browser: Browser, scored_page: Path) -> None:
    page = opened(browser, scored_page, WIDE).page
    for size, labels in ((NARROW, 4), (WIDE, 10)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(page.locator("#chart-plane .annotation")).to_have_count(labels)
        page.wait_for_timeout(500)  # plotly answers a new size a moment later
        rooms = page.evaluate(
            """() => [...document.querySelectorAll(".chart")].filter((chart) => chart.offsetParent)
            .map((chart) => [chart.offsetHeight, chart.querySelector(".main-svg").clientHeight])"""
        )
        assert len(rooms) == 3
        for room, drawn in rooms:
            assert room == pytest.approx(drawn, abs=1)
    page.close()


def test_without_scripts_a_static_plot_replaces_the_plane(browser: Browser, scored_page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(scored_page.as_uri())
    assert page.locator(".still").is_visible()
    assert page.locator(".grid:visible").count() == 3
    context.close()


def test_paper_has_the_still_picture_and_all_tables(wide: Watched) -> None:
    page = wide.page
    page.emulate_media(media="print")
    assert page.locator(".still").is_visible()
    assert not page.locator("#chart-plane").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator('#values [data-panel="metric"]:visible').count() == 2
    page.emulate_media(media="screen")
