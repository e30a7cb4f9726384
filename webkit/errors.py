"""Errors: what webkit raises at registration and start, and every HTTP error under its own name.

``from webkit.errors import HTTPNotFound`` gives aiohttp's class itself, so that a handler, a middleware
and third-party code agree on what they raise and catch.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from aiohttp import web
from aiohttp.web import (
    HTTPAccepted,
    HTTPBadGateway,
    HTTPBadRequest,
    HTTPClientError,
    HTTPConflict,
    HTTPCreated,
    HTTPError,
    HTTPException,
    HTTPExpectationFailed,
    HTTPFailedDependency,
    HTTPForbidden,
    HTTPFound,
    HTTPGatewayTimeout,
    HTTPGone,
    HTTPInsufficientStorage,
    HTTPInternalServerError,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPMisdirectedRequest,
    HTTPMovedPermanently,
    HTTPMultipleChoices,
    HTTPNetworkAuthenticationRequired,
    HTTPNoContent,
    HTTPNonAuthoritativeInformation,
    HTTPNotAcceptable,
    HTTPNotExtended,
    HTTPNotFound,
    HTTPNotImplemented,
    HTTPNotModified,
    HTTPOk,
    HTTPPartialContent,
    HTTPPaymentRequired,
    HTTPPermanentRedirect,
    HTTPPreconditionFailed,
    HTTPPreconditionRequired,
    HTTPProxyAuthenticationRequired,
    HTTPRedirection,
    HTTPRequestEntityTooLarge,
    HTTPRequestHeaderFieldsTooLarge,
    HTTPRequestRangeNotSatisfiable,
    HTTPRequestTimeout,
    HTTPRequestURITooLong,
    HTTPResetContent,
    HTTPSeeOther,
    HTTPServerError,
    HTTPServiceUnavailable,
    HTTPSuccessful,
    HTTPTemporaryRedirect,
    HTTPTooManyRequests,
    HTTPUnauthorized,
    HTTPUnavailableForLegalReasons,
    HTTPUnprocessableEntity,
    HTTPUnsupportedMediaType,
    HTTPUpgradeRequired,
    HTTPUseProxy,
    HTTPVariantAlsoNegotiates,
    HTTPVersionNotSupported,
)

__all__ = [
    "ConfigError",
    "HTTPAccepted",
    "HTTPBadGateway",
    "HTTPBadRequest",
    "HTTPClientError",
    "HTTPConflict",
    "HTTPCreated",
    "HTTPError",
    "HTTPException",
    "HTTPExpectationFailed",
    "HTTPFailedDependency",
    "HTTPForbidden",
    "HTTPFound",
    "HTTPGatewayTimeout",
    "HTTPGone",
    "HTTPInsufficientStorage",
    "HTTPInternalServerError",
    "HTTPLengthRequired",
    "HTTPMethodNotAllowed",
    "HTTPMisdirectedRequest",
    "HTTPMovedPermanently",
    "HTTPMultipleChoices",
    "HTTPNetworkAuthenticationRequired",
    "HTTPNoContent",
    "HTTPNonAuthoritativeInformation",
    "HTTPNotAcceptable",
    "HTTPNotExtended",
    "HTTPNotFound",
    "HTTPNotImplemented",
    "HTTPNotModified",
    "HTTPOk",
    "HTTPPartialContent",
    "HTTPPaymentRequired",
    "HTTPPermanentRedirect",
    "HTTPPreconditionFailed",
    "HTTPPreconditionRequired",
    "HTTPProxyAuthenticationRequired",
    "HTTPRedirection",
    "HTTPRequestEntityTooLarge",
    "HTTPRequestHeaderFieldsTooLarge",
    "HTTPRequestRangeNotSatisfiable",
    "HTTPRequestTimeout",
    "HTTPRequestURITooLong",
    "HTTPResetContent",
    "HTTPSeeOther",
    "HTTPServerError",
    "HTTPServiceUnavailable",
    "HTTPSuccessful",
    "HTTPTemporaryRedirect",
    "HTTPTooManyRequests",
    "HTTPUnauthorized",
    "HTTPUnavailableForLegalReasons",
    "HTTPUnprocessableEntity",
    "HTTPUnsupportedMediaType",
    "HTTPUpgradeRequired",
    "HTTPUseProxy",
    "HTTPVariantAlsoNegotiates",
    "HTTPVersionNotSupported",
    "InternalServerError",
    "NoSuchRoute",
    "Problem",
    "RouteError",
    "did_you_mean",
]


class ConfigError(Exception):
    """The application is put together wrongly; the message says what to write instead."""


class RouteError(ConfigError, ValueError, RuntimeError):
    """A route that cannot be: a bad path, a conflict, an argument that nobody fills.

    It is a ``ValueError`` and a ``RuntimeError``, because aiohttp raises the one for a bad path and
    the other for a conflict or a frozen router, and old code catches either.
    """


class NoSuchRoute(RouteError, KeyError):
    """No route has this name, or its parameters were not given as the path asks for them."""

    # A KeyError prints the repr of its argument; this message is made for people.
    __str__ = Exception.__str__


class Problem(web.HTTPException):
    """An error with a problem document (RFC 9457): ``raise Problem(409, detail="Sold out", item=12)``.

    *extensions* become members of the document beside ``type``, ``title``, ``status``, ``detail`` and ``instance``.
    An extension ``errors``, a list of mappings with a ``message``, is shown to people as well. Clients that do not ask
    for JSON get the same as a page or as text.

    Raises:
        ValueError: *status* is no error.
    """

    def __init__(
        self,
        status: int,
        *,
        title: str | None = None,
        detail: str | None = None,
        type: str = "about:blank",
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"{status} is no error; a problem has a status from 400 to 599.")
        self.status_code = status
        super().__init__(headers=headers)
        self.title = title or self.reason
        self.detail = detail
        self.type = type
        self.instance = instance
        self.extensions = extensions


class InternalServerError(web.HTTPInternalServerError):
    """A handler crashed. The client learns *reference* only; the log has it beside the traceback."""

    def __init__(self, reference: str) -> None:
        super().__init__()
        self.reference = reference


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Give ``" Did you mean 'right'?"`` where one of *known* is close to *wrong*, else ``""``."""
    near = get_close_matches(wrong, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
