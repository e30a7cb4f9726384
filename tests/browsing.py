"""Driving the browser: windows of the two usual sizes, and the complaints a page makes in them."""

from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, expect

from tests.serving import PATIENCE_S

PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1280, height=800)

# Of itself it waits for five seconds, which is not much on a machine that does something else as well.
expect.set_options(timeout=PATIENCE_S * 1000)


async def open_page(browser: Browser, viewport: ViewportSize = DESKTOP) -> tuple[Page, list[str]]:
    """Open an empty window.

    Returns ``(page, complaints)``. The list fills up while the page is used: errors and warnings on its console,
    uncaught exceptions. That a page itself was answered with 404 or 500 is not a complaint (a test may be after just
    that), but a missing style sheet, script or picture is.
    """
    page = await browser.new_page(viewport=viewport)
    complaints: list[str] = []
    documents: set[str] = set()

    def note_console(message: ConsoleMessage) -> None:
        is_document = message.text.startswith("Failed to load resource") and message.location["url"] in documents
        if message.type in {"error", "warning"} and not is_document:
            complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    page.on("request", lambda request: documents.add(request.url) if request.is_navigation_request() else None)
    page.on("console", note_console)
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    return page, complaints
