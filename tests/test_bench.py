"""The benchmark's own rules, and that webkit and bare aiohttp answer alike in it. The peers' packages are not installed
here: `make bench` compares all of them before it measures."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from bench import echo, report, sockets, uploading
from bench.answers import Answer, WrongAnswer, check_answer, find_faults, read_answer
from bench.api import fill, make_paths
from bench.figures import Measurement, Ratio, shifted, show
from bench.floors import FLOORS, Figure, Floor, Verdict, judge
from bench.install import REQUIREMENTS, read_requirements
from bench.machine import Cores, Machine, choose_cores, memory_of, read_core_list
from bench.peers import AIOHTTP, COMPARED, IPOPO, PEERS, PLAIN, WEBKIT, aiohttp_app, webkit_app
from bench.picture import draw
from bench.results import Results
from bench.run import FULL, LATEST, PAGE, PICTURE, QUICK, check_log, exit_code
from bench.servers import Server, serving
from bench.servlets import load_while_changing
from bench.wire import is_whole
from bench.workloads import TEXT_WORKLOAD, TO_REFUSE, WORKLOADS, Workload
from tests.serving import AnyApplication, Client, Serve, run_by_aiohttp
from webkit import Application, WebSocketSession

ROOT = Path(__file__).parent.parent

APPLICATIONS: dict[str, Callable[[], AnyApplication]] = {
    WEBKIT: webkit_app.create_app,
    AIOHTTP: aiohttp_app.create_app,
}
HEAD = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": "12",
    "server": "a",
    "date": "Fri, 20 Nov 2026 08:00:00 GMT",
}
GOOD = Answer(200, HEAD, TEXT_WORKLOAD.expected)


@pytest.fixture(params=APPLICATIONS)
def app(request: pytest.FixtureRequest) -> AnyApplication:
    """Each of the two applications that need no peer."""
    make: Callable[[], AnyApplication] = APPLICATIONS[request.param]
    return make()


def contents_of(folder: Path) -> list[bytes]:
    """What lies in the files of a folder."""
    return [file.read_bytes() for file in folder.iterdir()]


async def ask(client: Client, workload: Workload) -> Answer:
    """Send what the benchmark sends."""
    answer = await client.request(workload.method, workload.target, data=workload.body, headers=workload.headers)
    return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
async def test_webkit_and_bare_aiohttp_answer_the_same_bytes(
    serve: Serve, app: AnyApplication, workload: Workload
) -> None:
    check_answer("it", await ask(await serve(app), workload), workload)


async def test_both_refuse_what_does_not_fit(serve: Serve, app: AnyApplication) -> None:
    client = await serve(app)
    assert {(await ask(client, workload)).status for workload in TO_REFUSE} <= {400, 404, 422}


async def test_both_store_an_upload(app: AnyApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_UPLOADS", str(tmp_path))
    content = uploading.make_content(300_000)
    async with run_by_aiohttp(app) as client:
        assert client.url.port is not None
        answer = await asyncio.to_thread(uploading.send, client.url.port, content)
    assert (answer.status, answer.body) == (200, b'{"size":300000}')
    assert contents_of(tmp_path) == [content]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_both_send_messages_back(tmp_path: Path, name: str) -> None:
    with serving(PEERS[name], None, tmp_path) as server:
        echo.check(server)
        if sys.platform == "linux":
            assert 0 < echo.count_echoes(server, 0.2) < 10_000_000


async def test_who_sends_nothing_back_ends_the_run(serve: Serve, tmp_path: Path) -> None:
    async def nothing(session: WebSocketSession) -> None:
        await session.send_text("something else")

    app = Application()
    app.websocket("/echo")(nothing)
    client = await serve(app)
    assert client.url.port is not None
    server = Server(PEERS[WEBKIT], client.url.port, 0, tmp_path)
    with pytest.raises(WrongAnswer, match="webkit does not send a message back"):
        await asyncio.to_thread(echo.check, server)


def test_a_floor_may_be_about_a_figure_itself() -> None:
    floor = Floor(title="", of=Figure("websocket:memory", WEBKIT), to=None, at_most=16)
    samples = Measurement(
        key="websocket:memory", title="", unit="KiB", better="less", samples={WEBKIT: [15.0, 17.0, 15.5]}
    )
    (verdict,) = [v for v in judge({"websocket:memory": samples}) if v.floor.of == floor.of]
    assert (verdict.ratio, verdict.is_missed) == (Ratio(15.5, 15.25, 16.25), False)


@pytest.mark.parametrize(
    "answer",
    [
        replace(GOOD, status=404),
        replace(GOOD, body=b"Hello, World"),
        replace(GOOD, headers=HEAD | {"content-type": "text/html"}),
        replace(GOOD, headers=HEAD | {"content-length": "13"}),
        replace(GOOD, headers=HEAD | {"connection": "close"}),
        replace(GOOD, headers=HEAD | {"date": "today"}),
        replace(GOOD, headers={name: value for name, value in HEAD.items() if name != "date"}),
        replace(GOOD, headers={name: value for name, value in HEAD.items() if name != "server"}),
    ],
)
def test_an_answer_that_differs_ends_the_run(answer: Answer) -> None:
    assert not list(find_faults(GOOD, TEXT_WORKLOAD))
    with pytest.raises(WrongAnswer, match="somebody, GET /: "):
        check_answer("somebody", answer, TEXT_WORKLOAD)


def test_who_is_known_to_leave_a_header_out_must_go_on_doing_so() -> None:
    bare = replace(GOOD, headers={name: HEAD[name] for name in ("content-type", "content-length")})
    assert not list(find_faults(bare, TEXT_WORKLOAD, lacks={"date", "server"}))
    assert len(list(find_faults(GOOD, TEXT_WORKLOAD, lacks={"date", "server"}))) == 2


def test_an_answer_is_read_from_its_bytes() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: a: b\r\n\r\nhi"
    assert read_answer(raw) == Answer(200, {"content-length": "2", "server": "a: b"}, b"hi")
    assert [is_whole(raw[:end]) for end in (10, len(raw) - 1, len(raw))] == [False, False, True]
    with pytest.raises(WrongAnswer, match="no whole"):
        read_answer(raw[:20])


def test_the_in_process_part_measures_both_and_loses_no_line_of_their_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "bench.inprocess", "2", "0.001", "10"]
        result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, check=True)
    measurements, logged = msgspec.json.decode(result.stdout, type=tuple[list[Measurement], int])
    check_log(log, logged, "in process")
    with pytest.raises(WrongAnswer, match="lines in the access log"):
        check_log(log, logged + 1, "in process")
    by_key = {measurement.key: measurement for measurement in measurements}
    assert by_key.keys() >= {
        "cpu:text",
        "cpu:response",
        "cpu:log",
        "cpu:middlewares-5",
        "cpu:shared-10",
        "cpu:distinct-10",
        "cpu:resolve",
    }
    for measurement in measurements:
        assert {name: len(samples) for name, samples in measurement.samples.items()} == {WEBKIT: 2, AIOHTTP: 2}
        assert all(sample > 0 for samples in measurement.samples.values() for sample in samples)


def test_servlets_are_measured_beside_a_plain_handler_and_ipopos_service() -> None:
    command = [sys.executable, "-m", "bench.servlets", "2", "0.001", "640"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    request, load = msgspec.json.decode(result.stdout, type=list[Measurement])
    assert {name: len(samples) for name, samples in request.samples.items()} == {WEBKIT: 2, PLAIN: 2, IPOPO: 2}
    assert load.samples[WEBKIT][0] > 0


async def test_no_request_fails_while_servlets_come_and_go() -> None:
    """IP-041: 64 connections, and two threads that register, unregister and drain."""
    load = await load_while_changing(6_400)
    assert load.failed == 0
    assert load.answered + load.not_found >= 6_400
    assert load.changes > 10


def test_the_large_api_has_651_paths_and_a_request_for_each() -> None:
    paths = make_paths()
    assert len(set(paths)) == 651
    assert fill("/repos/{owner}/{repo}/issues/{issues_id}") == "/repos/some-owner/some-repo/issues/4711"
    assert len({fill(path) for path in paths}) == 651


def test_a_ratio_is_built_round_by_round() -> None:
    assert Ratio.of([2, 4, 60], [1, 2, 10]) == Ratio(2, 2, 4)
    assert Ratio.of([3], [2]) == Ratio(1.5, 1.5, 1.5)
    with pytest.raises(ValueError, match="shorter"):
        Ratio.of([1, 2], [1])


def test_the_best_is_who_has_most_or_least() -> None:
    samples = {"a": [1.0, 9.0, 2.0], "b": [3.0, 3.0, 3.0]}
    speed = Measurement(key="speed:text", title="text", unit="requests/s", better="more", samples=samples)
    assert speed.best(["a", "b", "c"]) == "b"
    assert replace(speed, better="less").best(["a", "b", "c"]) == "a"
    assert speed.best(["c"]) is None
    assert speed.ratio("a", "c") is None


def test_each_round_begins_with_somebody_else() -> None:
    assert [shifted("abc", number) for number in (0, 1, 5)] == [list("abc"), list("bca"), list("cab")]
    assert shifted([], 3) == []


@pytest.mark.parametrize(
    ("value", "text"), [(0.00871, "0.0087"), (0.1234, "0.12"), (12.34, "12.3"), (99.96, "100.0"), (1234.5, "1,234")]
)
def test_figures_have_as_many_digits_as_mean_something(value: float, text: str) -> None:
    assert show(value) == text


SPEED = "  1000 requests in 1.00s, 1.00MB read\nRequests/sec:  51234.12\nTransfer/sec:      8.01MB\n"


def test_the_speed_is_read_from_what_wrk_prints() -> None:
    assert sockets.read_speed(SPEED) == 51234.12


@pytest.mark.parametrize(
    "output",
    [
        "",
        "  Non-2xx or 3xx responses: 5\n" + SPEED,
        "  Socket errors: connect 0, read 1, write 0, timeout 0\n" + SPEED,
    ],
)
def test_failed_requests_are_no_speed(output: str) -> None:
    with pytest.raises(WrongAnswer):
        sockets.read_speed(output)


def test_the_script_for_wrk_says_all_of_a_request() -> None:
    assert sockets.script_for(replace(WORKLOADS["post"], body=b'{"a": 1}')).splitlines() == [
        'wrk.method = "POST"',
        'wrk.headers["Content-Type"] = "application/json"',
        'wrk.body = [==[{"a": 1}]==]',
    ]


def test_servers_and_clients_get_cores_that_share_nothing() -> None:
    pairs = {0: frozenset({0, 2}), 1: frozenset({1, 3}), 2: frozenset({0, 2}), 3: frozenset({1, 3})}
    assert choose_cores([0, 1, 2, 3], pairs) == Cores(server=3, client=0)
    assert choose_cores([1, 3], pairs) is None
    assert choose_cores([0, 1], {}) == Cores(server=1, client=0)
    assert choose_cores([0], {}) is None
    assert read_core_list("0-2,8\n") == {0, 1, 2, 8}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
def test_the_memory_of_a_group_of_processes_is_that_of_all_of_them() -> None:
    code = "import sys; data = b'x' * 50_000_000; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        memory = memory_of(process.pid)
        process.communicate()
    assert memory is not None
    assert 50_000_000 < memory < 150_000_000


def test_every_floor_is_about_something_that_a_whole_run_measures() -> None:
    measured = {f"speed:{name}" for name in FULL.workloads} | {f"cpu:{name}" for name in WORKLOADS}
    measured |= {f"cpu:shared-{count}" for count in FULL.route_counts}
    measured |= {"websocket:echo", "websocket:memory"}
    measured |= {"speed:log", "cpu:log", "cpu:middlewares-5", "cpu:resolve", "import", "memory:connection"}
    measured |= {"memory:stream", "event:streams", "servlet:request", "cpu:response"}
    for floor in FLOORS:
        figures = [floor.of, floor.to] if floor.to is not None else [floor.of]
        assert {figure.key for figure in figures} <= measured
        assert {figure.contender for figure in figures} <= {*FULL.peers, PLAIN, IPOPO}
        assert (floor.at_most is None) != (floor.at_least is None)


def test_a_whole_run_fails_where_a_floor_was_not_measured() -> None:
    latest = Results.load(LATEST)
    (key,) = {floor.of.key for floor in FLOORS if floor.of.key.startswith("import")}
    part = replace(latest, measurements=[known for known in latest.measurements if known.key != key])
    assert [exit_code(part, is_whole=is_whole) for is_whole in (True, False)] == [1, 0]
    assert exit_code(latest, is_whole=True) == 0


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        ({"a": [0.9], "b": [1.0]}, "MISSED"),
        ({"a": [0.8], "b": [1.0]}, "met"),
        ({"a": [0.5], "b": [1.0]}, "met, and the goal"),
        ({"a": [0.5]}, "not measured"),
    ],
)
def test_a_floor_is_missed_where_the_median_does_not_reach_it(samples: dict[str, list[float]], word: str) -> None:
    at_most = Floor(title="", of=Figure("k", "a"), to=Figure("k", "b"), at_most=0.8, goal=0.5)
    at_least = Floor(title="", of=Figure("k", "b"), to=Figure("k", "a"), at_least=1.25, goal=2)
    ratios = (
        [Ratio.of(samples["a"], samples["b"]), Ratio.of(samples["b"], samples["a"])] if "b" in samples else [None] * 2
    )
    assert [Verdict(at_most, ratios[0]).word, Verdict(at_least, ratios[1]).word] == [word, word]
    assert Verdict(at_most, ratios[0]).is_missed == (word == "MISSED")


def made_up() -> Results:
    """Results in which webkit is twice as fast as bare aiohttp, and Falcon three times."""
    samples = {WEBKIT: [200.0], AIOHTTP: [100.0], "falcon": [300.0], "blacksheep-granian-unpinned": [900.0]}
    measurements = [
        Measurement(key=f"speed:{name}", title=name, unit="requests/s", better="more", samples=samples)
        for name in ("text", "json", "parameter")
    ]
    samples = {WEBKIT: [10.0], AIOHTTP: [20.0]}
    measurements.append(Measurement(key="cpu:text", title="text", unit="µs", better="less", samples=samples))
    machine = Machine(cpu="A", cores=2, kernel="Linux 6", python="CPython 3.13", load=2.0, versions={"aiohttp": "3"})
    return Results(when="2026-11-20", machine=machine, measurements=measurements, not_measured=["wrk is missing."])


def test_floors_are_judged_by_what_was_measured() -> None:
    words = {verdict.floor.title: verdict.word for verdict in judge(made_up().by_key)}
    assert words["processor time, text: webkit / bare aiohttp"] == "met, and the goal"
    assert words["requests/s, text: webkit / Falcon"] == "MISSED"
    assert words["requests/s, text: webkit / Starlette"] == "not measured"


def test_the_report_compares_with_those_that_have_one_core() -> None:
    text = report.as_text(made_up())
    lines = {" ".join(line.split()) for line in text.splitlines()}
    assert "| text, requests/s | more | 2.00 (2.00 to 2.00) | Falcon | 0.67 (0.67 to 0.67) |" in lines
    assert "| text | 10.0 | 20.0 | 0.50 (0.50 to 0.50) |" in lines
    assert "- wrk is missing." in lines
    assert "Somebody else was at work on this machine (load 2): the figures are rough." in lines
    assert "blacksheep-granian-unpinned" not in COMPARED


def test_a_table_is_even() -> None:
    assert report.table(("a", "long"), [("first", "1"), ("b", "22")]).splitlines() == [
        "| a     | long |",
        "| ----- | ---: |",
        "| first |    1 |",
        "| b     |   22 |",
    ]
    assert report.table(("a",), []) == ""


def test_the_picture_has_a_bar_for_everybody_in_each_panel() -> None:
    picture = draw(made_up().by_key)
    assert picture is not None
    bars = ElementTree.fromstring(picture).findall("{http://www.w3.org/2000/svg}rect")
    assert len(bars) == 3 * 4
    assert draw({}) is None


def test_results_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    made_up().save(tmp_path / "new" / "results.json")
    assert Results.load(tmp_path / "new" / "results.json") == made_up()


def test_the_page_and_the_picture_say_what_the_latest_results_say() -> None:
    results = Results.load(LATEST)
    remedy = (
        "Run `python -m bench.run --report`: the page is made of bench/performance.md and bench/results/latest.json."
    )
    assert PAGE.read_text(encoding="utf-8") == report.as_page(results, sockets.CONNECTIONS), remedy
    assert PICTURE.read_text(encoding="utf-8") == draw(results.by_key), remedy


def test_all_that_is_installed_for_the_benchmark_is_pinned() -> None:
    assert read_requirements("# words\n\na==1  # why\n") == ["a==1"]
    assert all("==" in line for line in read_requirements(REQUIREMENTS.read_text(encoding="utf-8")))


def test_a_peer_that_is_not_installed_is_known_by_its_packages() -> None:
    assert PEERS[WEBKIT].missing == []
    assert replace(PEERS["falcon"], module="no_such.asgi", words=("-m", "nothing_at_all")).missing == [
        "no_such",
        "nothing_at_all",
    ]


def test_the_quick_run_asks_four_peers() -> None:
    assert [name for name in QUICK.peers if name != WEBKIT] == [AIOHTTP, "starlette", "fastapi", "blacksheep"]
    assert set(FULL.peers) == set(PEERS)
