"""Which servlet is bound where: what is asked in which order, what callbacks see, and that nobody waits for them."""

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any

import pytest

from tests.serving import PATIENCE_S
from webkit.servlets import PARAM_ASYNC, PARAM_EXTRA, PARAM_NAME, PARAM_PORT, ServletService, ServletType


class Servlet:
    """Notes what it is told, and says what it was made to say."""

    def __init__(self, *, accepts: Any = True, bound: Any = True) -> None:
        self.accepts = accepts
        self.bound = bound
        self.told: list[tuple[str, str]] = []
        self.seen: list[dict[str, Any]] = []

    def accept_binding(self, path: str, parameters: dict[str, Any]) -> Any:
        return self._answer("accept", path, parameters, self.accepts)

    def bound_to(self, path: str, parameters: dict[str, Any]) -> Any:
        return self._answer("bound", path, parameters, self.bound)

    def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
        self._answer("unbound", path, parameters, None)

    def _answer(self, what: str, path: str, parameters: dict[str, Any], answer: Any) -> Any:
        self.told.append((what, path))
        self.seen.append(parameters)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


@pytest.fixture
def service() -> ServletService:
    return ServletService(name="test")


# Registering


def test_a_servlet_is_asked_then_bound_and_found(service: ServletService) -> None:
    """IP-025 (8), IP-032, IP-024: the four things that get_servlet gives."""
    servlet, parameters = Servlet(), {"custom": 42}
    assert service.register_servlet("/test", servlet, parameters)
    assert servlet.told == [("accept", "/test"), ("bound", "/test")]
    assert service.get_servlet("/test/sub") == (servlet, parameters, "/test", ServletType.SYNC)
    assert {kind.name: kind.value for kind in ServletType} == {
        "SYNC": "sync",
        "ASYNC": "async",
        "WEBSOCKET": "websocket",
    }


def test_an_object_without_any_method_can_be_registered(service: ServletService) -> None:
    """IP-040, IP-042: callbacks that are missing agree."""
    servlet = object()
    assert service.register_servlet("/test", servlet)
    assert service.unregister(None, servlet)


WRONG: list[tuple[Any, Any, Any, str]] = [
    ("/test", None, "nonsense", "is no type of servlet; choose one of ServletType.SYNC"),
    ("/test", None, ServletType.SYNC, "Invalid servlet instance"),
    (None, Servlet(), ServletType.SYNC, "Invalid path given to register the servlet: None"),
    ("", Servlet(), ServletType.SYNC, "Invalid path given to register the servlet: "),
    ("test", Servlet(), ServletType.SYNC, "Invalid path given to register the servlet: test"),
]


@pytest.mark.parametrize(("path", "servlet", "kind", "message"), WRONG)
def test_what_is_wrong_is_refused_in_this_order(
    service: ServletService, path: Any, servlet: Any, kind: Any, message: str
) -> None:
    """IP-025 (1) to (3): the type, the servlet, the path."""
    with pytest.raises(ValueError, match=message):
        service.register_servlet(path, servlet, None, kind)


def test_the_same_servlet_once_more_is_nothing_new_and_is_not_asked(service: ServletService) -> None:
    """IP-025 (4)."""
    servlet = Servlet()
    assert service.register_servlet("/test", servlet)
    assert service.register_servlet("/test", servlet)
    assert servlet.told == [("accept", "/test"), ("bound", "/test")]
    assert service.get_registered_paths() == ["/test"]


def test_a_servlet_that_does_not_want_a_path_that_is_taken_is_not_told_so(service: ServletService) -> None:
    """IP-025 (5) and (6): it is asked first."""
    service.register_servlet("/test", Servlet())
    assert service.register_servlet("/test", Servlet(accepts=False)) is False
    willing = Servlet()
    with pytest.raises(ValueError, match="A servlet is already registered on /test"):
        service.register_servlet("/test", willing)
    assert willing.told == [("accept", "/test")]


@pytest.mark.parametrize("answer", [False, 0, "", [], ValueError("no")])
@pytest.mark.parametrize("what", ["accepts", "bound"])
def test_anything_false_and_any_exception_refuses(
    service: ServletService, what: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-040, IP-041, IP-025 (7): nothing is registered, and the path stays free."""
    assert service.register_servlet("/test", Servlet(**{what: answer})) is False
    assert service.get_servlet("/test") is None
    assert ("failed for /test" in caplog.text) == isinstance(answer, Exception)
    assert service.register_servlet("/test", Servlet())


@pytest.mark.parametrize("answer", [None, True, "no", 1])
def test_none_and_anything_true_accepts(service: ServletService, answer: Any) -> None:
    """IP-040, IP-041: the documentation says "anything else but False", which is not what happens."""
    assert service.register_servlet("/test", Servlet(accepts=answer, bound=answer))


def test_a_callback_that_is_a_coroutine_function_agrees_and_is_told_about(
    service: ServletService, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-040: callbacks are called, not awaited. iPOPO says so by a warning of the interpreter alone."""

    class Wrong:
        async def accept_binding(self, path: str, parameters: dict[str, Any]) -> bool:
            return False

    assert service.register_servlet("/test", Wrong())
    assert "is called, not awaited: write it with def" in caplog.text


def test_a_type_of_another_enumeration_with_the_same_values_is_one(service: ServletService) -> None:
    """IP-032: iPOPO's own, which webkit does not import."""

    class Theirs(Enum):
        ASYNC = "async"

    service.register_servlet("/test", Servlet(), None, Theirs.ASYNC)  # type: ignore[arg-type]
    found = service.get_servlet("/test")
    assert found is not None
    assert found[3] is ServletType.ASYNC


# Parameters


def test_the_dictionary_is_the_callers_and_the_service_writes_into_it() -> None:
    """IP-043 to IP-050: what the service says of itself cannot be overridden, everything else stays."""
    service = ServletService(name="server", extra={"k": "v"})
    service.set_access("10.0.0.1", 8081, is_https=True, asked="localhost")
    servlet = Servlet()
    parameters: dict[str, Any] = {"http.port": 1, "http.name": "mine", "custom": 42}
    service.register_servlet("/test", servlet, parameters)
    found = service.get_servlet("/test")
    assert found is not None
    assert found[1] is parameters
    assert all(seen is parameters for seen in servlet.seen)
    assert parameters == {
        "http.address": "localhost",
        "http.port": 8081,
        "http.https": True,
        "http.name": "server",
        "http.extra": {"k": "v"},
        "http.async": False,
        "custom": 42,
    }
    service.unregister("/test")
    assert servlet.seen[-1] is parameters


def test_what_nobody_has_said_is_none_and_the_port_is_0_before_the_start(service: ServletService) -> None:
    """IP-008, IP-045, IP-047, IP-048: the extra properties are a copy, or None where there are none."""
    servlet, extra = Servlet(), {"k": "v"}
    ServletService(extra=extra).register_servlet("/a", servlet)
    assert servlet.seen[-1][PARAM_EXTRA] == extra
    assert servlet.seen[-1][PARAM_EXTRA] is not extra
    assert servlet.seen[-1][PARAM_NAME] is None
    ServletService(extra={}).register_servlet("/b", servlet)
    assert servlet.seen[-1][PARAM_EXTRA] is None
    assert servlet.seen[-1][PARAM_PORT] == 0


@pytest.mark.parametrize("kind", ServletType)
def test_a_servlet_is_told_whether_it_is_asynchronous(service: ServletService, kind: ServletType) -> None:
    """IP-049, IP-014: true for WebSockets too; the service takes all three types."""
    servlet = Servlet()
    assert service.register_servlet("/test", servlet, None, kind)
    assert servlet.seen[-1][PARAM_ASYNC] is (kind is not ServletType.SYNC)


def test_one_object_may_be_several_servlets(service: ServletService) -> None:
    """IP-065: each path has parameters of its own."""
    servlet = Servlet()
    for path, kind in (("/sync", ServletType.SYNC), ("/async", ServletType.ASYNC)):
        service.register_servlet(path, servlet, None, kind)
    assert [seen[PARAM_ASYNC] for seen in servlet.seen] == [False, False, True, True]
    assert service.unregister(None, servlet)
    assert service.get_registered_paths() == []
    assert {("unbound", "/sync"), ("unbound", "/async")} <= set(servlet.told)


# Finding


@pytest.mark.parametrize(
    ("target", "path", "prefix", "error"),
    [
        ("/test/a%2Fb?x=/../..", "/test/a/b", "/test", None),
        ("//test/./x", "/test/x", "/test", None),
        ("/else", "/else", "", None),
        ("/test/../..", "/test/../..", "", 400),
        ("/test%00", "/test\0", "", 400),
    ],
)
def test_a_target_is_resolved_as_it_was_sent(
    service: ServletService, target: str, path: str, prefix: str, error: int | None
) -> None:
    """IP-030: there is always a result."""
    service.register_servlet("/test", Servlet())
    routing = service.resolve_request(target)
    assert (routing.path, routing.prefix, routing.error) == (path, prefix, error)
    assert (routing.servlet is None) == (prefix == "")


def test_the_paths_are_sorted(service: ServletService) -> None:
    """IP-023."""
    for path in ("/b", "/a", "/a/", "/"):
        service.register_servlet(path, Servlet())
    assert service.get_registered_paths() == ["/", "/a", "/a/", "/b"]


@pytest.mark.parametrize("path", [None, "", "test", "/tes", "/testx", "/unknown"])
def test_what_is_no_path_finds_nothing(service: ServletService, path: str | None) -> None:
    """IP-024."""
    service.register_servlet("/test", Servlet())
    assert service.get_servlet(path) is None


def test_a_path_is_kept_as_it_was_given(service: ServletService) -> None:
    """IP-025: one that no request can have is none that finds anything, except when it is asked for as it is."""
    servlet = Servlet()
    service.register_servlet("/a//b", servlet)
    assert service.get_registered_paths() == ["/a//b"]
    assert service.get_servlet("/a/b") is None


def test_paths_may_be_compared_in_small_letters() -> None:
    """IP-007: then the servlet sees the small letters, too."""
    service, servlet = ServletService(case_sensitive_paths=False), Servlet()
    service.register_servlet("/Admin", servlet)
    assert servlet.told == [("accept", "/admin"), ("bound", "/admin")]
    assert service.get_registered_paths() == ["/admin"]
    assert all(service.get_servlet(path) is not None for path in ("/admin", "/ADMIN/x", "/aDmIn"))
    assert service.unregister("/ADMIN")


def test_paths_are_compared_as_they_are_by_default(service: ServletService) -> None:
    """IP-007."""
    for path in ("/admin", "/Admin"):
        assert service.register_servlet(path, Servlet())
    assert service.get_servlet("/ADMIN") is None


def test_a_service_knows_its_machine(service: ServletService) -> None:
    """IP-021, IP-022."""
    assert service.get_hostname() == socket.gethostname()
    assert service.is_https() is False


# Unregistering


@pytest.mark.parametrize(
    ("path", "servlet"), [(None, None), ("", None), ("test", None), ("/x", None), (None, object())]
)
def test_what_is_not_there_cannot_be_unregistered(service: ServletService, path: str | None, servlet: object) -> None:
    """IP-026."""
    service.register_servlet("/test", Servlet())
    assert service.unregister(path, servlet) is False
    assert service.get_registered_paths() == ["/test"]


def test_a_servlet_that_fails_to_let_go_is_gone_all_the_same(
    service: ServletService, caplog: pytest.LogCaptureFixture
) -> None:
    """IP-026, IP-042: what it raises is logged."""

    class Clinging:
        def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
            raise ValueError("I stay")

    service.register_servlet("/test", Clinging())
    assert service.unregister("/test") is True
    assert service.get_servlet("/test") is None
    assert "unbound_from" in caplog.text
    assert "I stay" in caplog.text


def test_a_path_is_ended_only_where_the_servlet_has_it(service: ServletService) -> None:
    mine, other = Servlet(), Servlet()
    service.register_servlet("/test", other)
    assert service.unregister_path("/test", mine) is False
    assert service.unregister_path("/test", other) is True


def test_a_servlet_that_is_told_of_its_end_is_still_found_and_its_path_is_not_free(service: ServletService) -> None:
    """IP-042: get_servlet answers, and it cannot be ended twice."""
    answers: list[Any] = []

    class Watching:
        def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
            answers.append(service.get_servlet(path))
            answers.append(service.get_registered_paths())
            answers.append(service.unregister(path))
            with pytest.raises(ValueError, match="already registered"):
                service.register_servlet(path, Servlet())

    watching = Watching()
    service.register_servlet("/test", watching)
    service.unregister("/test")
    found, paths, again = answers
    assert found[0] is watching
    assert (paths, again) == (["/test"], False)
    assert service.get_registered_paths() == []


# Callbacks and other threads


def in_thread(function: Callable[[], Any]) -> Any:
    """Call it in another thread, and give what it gives."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(PATIENCE_S)


def test_callbacks_run_in_the_thread_of_the_caller_and_hold_no_lock(service: ServletService) -> None:
    """IP-041: iPOPO holds the lock of the registry meanwhile, and its own event loop waits for it."""
    threads: list[threading.Thread] = []

    def look_around() -> bool:
        threads.append(threading.current_thread())
        assert in_thread(lambda: service.get_servlet("/test")) is None
        return bool(in_thread(lambda: service.register_servlet(f"/other{len(threads)}", Servlet())))

    assert service.register_servlet("/test", Servlet(accepts=look_around, bound=look_around))
    assert threads == [threading.current_thread()] * 2
    assert service.get_registered_paths() == ["/other1", "/other2", "/test"]


def test_a_path_is_reserved_while_its_servlet_is_asked(service: ServletService) -> None:
    """IP-041: of two at once one gets the path, and the other one is told so."""
    refused: list[str] = []

    def compete() -> bool:
        with pytest.raises(ValueError, match="already registered") as error:
            in_thread(lambda: service.register_servlet("/test", Servlet()))
        refused.append(str(error.value))
        return True

    winner = Servlet(bound=compete)
    assert service.register_servlet("/test", winner)
    assert len(refused) == 1
    found = service.get_servlet("/test")
    assert found is not None
    assert found[0] is winner


def test_threads_that_all_want_the_same_paths_leave_each_to_one(service: ServletService) -> None:
    """IP-041: thousands of times, from eight threads; every servlet that was bound is unbound, once."""
    paths = [f"/p{number}" for number in range(5)]
    bound: list[str] = []
    unbound: list[str] = []

    class Counting:
        def bound_to(self, path: str, parameters: dict[str, Any]) -> None:
            bound.append(path)

        def unbound_from(self, path: str, parameters: dict[str, Any]) -> None:
            unbound.append(path)

    def come_and_go(number: int) -> None:
        for turn in range(400):
            path, servlet = paths[(number + turn) % len(paths)], Counting()
            try:
                service.register_servlet(path, servlet)
            except ValueError:
                continue
            service.unregister_path(path, servlet)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    assert service.get_registered_paths() == []
    assert sorted(bound) == sorted(unbound)
    assert len(bound) > 400


def test_a_service_logs_to_the_logger_that_it_is_given(caplog: pytest.LogCaptureFixture) -> None:
    """IP-029: iPOPO has log() and log_exception() for the same; a logger of Python is what others expect."""
    service = ServletService(logger=logging.getLogger("mine"))
    service.register_servlet("/test", Servlet(bound=ValueError("no")))
    assert {record.name for record in caplog.records} == {"mine"}
