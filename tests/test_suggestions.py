"""Suggestions: which routes nearly matched, and the reason that is given."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webkit.suggestions import RouteLine, near_routes

ROUTES = [
    RouteLine(("GET", "HEAD"), "/", "root"),
    RouteLine(("GET", "HEAD"), "/users/", "users"),
    RouteLine(("POST",), "/users/new", "new_user"),
    RouteLine(("GET", "HEAD"), "/users/{id:int}", "user"),
    RouteLine(("GET", "HEAD"), "/users/{id:int}/orders/{order:uuid}", "order"),
    RouteLine(("GET", "HEAD"), "/Reports/{year:[0-9]{4}}", "reports"),
    RouteLine(("GET", "HEAD"), "/files/{tail:path}", "files"),
    RouteLine(("*",), "/reset/{token:int}", "reset"),
    RouteLine(("GET",), "/raw/{what:nonsense}", "raw"),
    RouteLine(("GET",), "", "bare"),
]


def first(method: str, path: str) -> tuple[str | None, str]:
    """The name of the nearest route, and the reason."""
    found = near_routes(method, path, ROUTES)[0]
    return found.route.name, found.reason


REASONS = [
    ("GET", "/users/new", "new_user", "another method: POST"),
    ("DELETE", "/users/3", "user", "another method: GET, HEAD"),
    ("DELETE", "/files/a/b", "files", "another method: GET, HEAD"),
    ("GET", "/users", "users", "trailing slash: the route has one"),
    ("GET", "/users/3/", "user", "trailing slash: the route has none"),
    ("DELETE", "/users/3/", "user", "trailing slash: the route has none; another method: GET, HEAD"),
    ("GET", "/users//3", "user", "a doubled slash"),
    ("GET", "/Users/3", "user", "upper and lower case"),
    ("GET", "/reports/2024", "reports", "upper and lower case"),
    ("GET", "/FILES/a/b", "files", "upper and lower case"),
    ("GET", "/users/abc", "user", "`{id:int}` did not take 'abc'"),
    ("GET", "/Reports/24", "reports", "`{year:[0-9]{4}}` did not take '24'"),
    ("GET", "/users/a/orders/b", "order", "`{id:int}` did not take 'a', `{order:uuid}` did not take 'b'"),
    ("POST", "/users/abc", "user", "`{id:int}` did not take 'abc'; another method: GET, HEAD"),
    ("GET", "/users/3", "user", "the path fits, but `{id:int}` did not take '3'"),
    ("GET", "/users/", "users", "the path fits, but something mounted or added before it was asked first"),
    ("POST", "/usrs/new", "new_user", "similar: 'users' instead of 'usrs'"),
    ("POST", "/users/nwe", "new_user", "similar: 'new' instead of 'nwe'"),
    ("GET", "/user/3/order/x", "order", "similar"),
    ("GET", "/raw/{what:nonsens}", "raw", "similar"),
]


@pytest.mark.parametrize(("method", "path", "name", "reason"), REASONS)
def test_the_nearest_route_comes_first_with_its_reason(method: str, path: str, name: str, reason: str) -> None:
    assert first(method, path) == (name, reason)


def test_what_has_nothing_in_common_is_not_listed() -> None:
    assert near_routes("GET", "/zebra/quagga/okapi", ROUTES) == []


def test_parameters_alone_make_no_likeness() -> None:
    routes = [RouteLine(("GET",), "/take/{name}"), RouteLine(("GET",), "/users/{name}")]
    assert [found.route.template for found in near_routes("GET", "/user/annabella", routes)] == ["/users/{name}"]


def test_only_so_many_are_listed() -> None:
    routes = [RouteLine(("GET",), f"/page/{number}") for number in range(100)]
    assert len(near_routes("GET", "/pages/5", routes, most=3)) == 3


def test_where_another_route_has_answered_the_others_are_said_to_be_later() -> None:
    (found,) = near_routes("GET", "/a/b", [RouteLine(("GET",), "/a/{x}")], matched=True)
    assert found.reason == "the path fits too, but is asked later"


def test_a_value_is_shown_as_it_may_be() -> None:
    def show(name: str, value: str) -> str:
        return "***" if "token" in name else value

    assert near_routes("GET", "/reset/abc", ROUTES, show=show)[0].reason == "`{token:int}` did not take '***'"


@given(st.sampled_from(["GET", "POST", "BREW"]), st.text(max_size=30).map("/".__add__))
def test_every_path_can_be_compared(method: str, path: str) -> None:
    near = near_routes(method, path, ROUTES)
    closeness = [found.closeness for found in near]
    assert closeness == sorted(closeness, reverse=True)
    assert all(0 < found.closeness <= 1 and found.reason for found in near)


def test_thousands_of_routes_and_a_long_path_take_no_time_to_speak_of() -> None:
    routes = [RouteLine(("GET",), f"/section{number % 50}/page{number}/{{id:int}}") for number in range(5000)]
    start = time.thread_time()
    assert near_routes("GET", "/section7/page77/x", routes)
    assert near_routes("GET", "/section" + "x" * 8000, routes) == []
    assert time.thread_time() - start < 5
