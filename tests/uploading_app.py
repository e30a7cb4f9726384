"""The application whose memory ``test_uploads`` watches. Run as a process of its own."""

from pathlib import Path

from webkit import Application, Form, Limits


async def take(form: Form) -> str:
    return form.files["file"].sha256


def tell_memory() -> dict[str, int]:
    """Tell the memory that the process has (VmRSS) and the most that it has had (VmHWM), in KiB."""
    lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
    return {line[0][:-1]: int(line[1]) for line in lines if line[0] in {"VmRSS:", "VmHWM:"}}


def init() -> Application:
    app = Application()
    app.post("/", limits=Limits(body=2**40, sha256=True))(take)
    app.get("/memory")(tell_memory)
    return app
