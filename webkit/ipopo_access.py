"""Who may do what on iPOPO's HTTP service: other origins (CORS), credentials, and as whom a servlet runs.

The decisions are iPOPO's own (``pelix.http.cors``, ``pelix.http.auth``, ``pelix.security``), and so is their order:

1. A preflight is answered before anything else: browsers never send credentials with one.
2. A path that is refused is refused whoever asks.
3. Credentials are looked at before the servlet is looked for: who may not enter does not learn which paths there are.
4. The servlet runs as the one whom the credentials name, in its coroutines and in its threads.

What goes wrong in a policy or in an authenticator lets nobody in.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from aiohttp import web
from multidict import CIMultiDict
from pelix.http import HTTP_AUTH_REALM, HTTP_AUTH_REQUIRED, CorsHandler, HttpAuthenticator
from pelix.http.auth import AuthDecision, authenticate_request, make_challenges
from pelix.http.cors import CorsDecision, policy_from_parameters, resolve_cors
from pelix.security import ANONYMOUS

from webkit._aiohttp import before_headers
from webkit.ipopo_settings import as_bool

__all__ = ["Access", "Rules", "Target", "make_refusal"]

# Checking a password is slow by design. So many at once: who sends passwords must not take the whole processor.
_CHECKS_AT_ONCE: Final = 4

_TITLES: Final = {401: "Unauthorized", 403: "Forbidden"}
_FORBIDDEN: Final = "<html><body><h1>Forbidden</h1></body></html>"


class Rules(Protocol):
    """The rules of a service. They change while it serves, and are asked for at each request."""

    @property
    def cors_handler(self) -> CorsHandler | None:
        """Who says what other origins may do."""

    @property
    def authenticators(self) -> Sequence[HttpAuthenticator]:
        """Who read credentials."""

    @property
    def auth_required(self) -> bool:
        """Whether requests need credentials, where their servlet says nothing of it."""

    @property
    def auth_realm(self) -> str:
        """What credentials are asked for."""


class Target(Protocol):
    """Where a request goes: the path, and the parameters of the servlet there."""

    @property
    def path(self) -> str:
        """The path, without ``//``, ``.`` and ``..``."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What the servlet was registered with; empty where there is none."""


class Access:
    """Decides by the rules of one service, until it is closed."""

    def __init__(self, rules: Rules, logger: logging.Logger, *, is_https: bool) -> None:
        self._rules = rules
        self._logger = logger
        self._is_https = is_https
        self._warned: set[str] = set()
        self._pool = ThreadPoolExecutor(_CHECKS_AT_ONCE, "webkit-ipopo-credentials")

    def answer_origin(self, request: web.Request, target: Target) -> web.StreamResponse | None:
        """Answer a preflight; for another request from another origin, note the headers that its response gets."""
        decision = self._decide_origin(request, target)
        if decision is None:
            return None
        if not decision.preflight:
            if decision.headers:
                _add_headers(request, decision.headers)
            return None
        if decision.headers is None:
            return web.Response(status=403, text=_FORBIDDEN, content_type="text/html")
        return web.Response(status=204, headers=decision.headers)

    def _decide_origin(self, request: web.Request, target: Target) -> CorsDecision | None:
        headers = request.headers
        origin, method = headers.get("Origin"), headers.get("Access-Control-Request-Method")
        if not origin:
            return None
        try:
            policy = policy_from_parameters(target.parameters) or self._rules.cors_handler
            wanted = headers.get("Access-Control-Request-Headers")
            return resolve_cors(policy, target.path, request.method, origin, method, wanted)
        except Exception:
            self._logger.exception("Error computing the CORS policy of %s", target.path)
            return CorsDecision(bool(method) and request.method == "OPTIONS", None)

    def is_open(self, target: Target) -> bool:
        """Whether everybody may enter, and nobody reads credentials."""
        return not self._rules.authenticators and not self._requires(target)

    def _requires(self, target: Target) -> bool:
        own = target.parameters.get(HTTP_AUTH_REQUIRED)
        return self._rules.auth_required if own is None else as_bool(own)

    async def authenticate(self, request: web.Request, target: Target) -> AuthDecision:
        """Say as whom *request* is served, or that it is refused."""
        required = self._requires(target)
        authenticators = list(self._rules.authenticators)
        if not authenticators:
            if required:
                # What is protected does not become public because its authenticator went away.
                self._warn_once(
                    "Authentication is required on %s, but no HTTP authenticator is there: requests are refused.",
                    target.path,
                )
            return AuthDecision(ANONYMOUS, refused=required)
        decision = await asyncio.get_running_loop().run_in_executor(
            self._pool, authenticate_request, authenticators, request.headers, required, request.remote
        )
        if decision.subject.authenticated and not self._is_https:
            self._warn_once("Credentials come over plain HTTP: everybody on the way can read them.")
        return decision

    def ask_for_credentials(self, target: Target) -> web.StreamResponse:
        """Answer 401, with the challenges of those who could read credentials."""
        realm = str(target.parameters.get(HTTP_AUTH_REALM) or self._rules.auth_realm)
        return make_refusal(401, make_challenges(self._rules.authenticators, realm))

    def close(self) -> None:
        """End the threads that check credentials."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _warn_once(self, message: str, *args: object) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._logger.warning(message, *args)


def _add_headers(request: web.Request, added: Mapping[str, str]) -> None:
    """Add what the policy gives to the answer to *request*, whoever makes it. What a servlet has set itself stays."""

    async def add(headers: CIMultiDict[str]) -> None:
        for name, value in added.items():
            if name == "Vary":
                headers.add(name, value)  # one more thing that it varies with
            else:
                headers.setdefault(name, value)

    before_headers(request, add)
    match_info: Any = request.match_info
    match_info.is_quick = False  # the short way of an answer has no headers to add to


def make_refusal(status: int, challenge: str | None = None) -> web.Response:
    """Make the page of 401 or 403. It does not say why: that would tell which names or rules there are."""
    title = _TITLES[status]
    page = f"<html>\n<head>\n<title>{status} - {title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n</body>\n</html>"
    headers = {"WWW-Authenticate": challenge} if challenge else None
    return web.Response(status=status, text=page, content_type="text/html", headers=headers)
