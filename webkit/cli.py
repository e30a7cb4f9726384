"""The command line: ``python -m webkit [-n HOST] [-p PORT] [-u PATH] module.init [ARG ...]``.

A word with a dot or a colon is an application, a bare word one of webkit's commands: ``static build FOLDER``.
"""

import argparse
import asyncio
import contextvars
import errno
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from aiohttp import hdrs, web
from aiohttp.abc import AbstractView

from webkit._version import __version__
from webkit.application import Application
from webkit.binding import name_of
from webkit.config import DEBUG, ServerConfig
from webkit.errors import ConfigError, did_you_mean
from webkit.mountpoints import NameAlias
from webkit.resources import TableRoute
from webkit.run import AnyApplication, run
from webkit.sites import AddressError, sockets_from_systemd
from webkit.views import View

__all__ = ["UsageError", "load", "main", "route_table"]

_PROGRAM = "python -m webkit"


class UsageError(ConfigError):
    """What was asked for on the command line cannot be; the message says what to write instead."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give the exit code: 0, 1 when it failed, 2 when it was asked wrongly."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words[:1] == ["static"]:
            return _build_static(words[1:])
        options, arguments = _parse(words)
        # In a context of its own: --debug is for this one application.
        return contextvars.copy_context().run(_serve_or_list, options, arguments)
    except UsageError as error:
        print(f"webkit: {error}", file=sys.stderr)
        return 2
    except ConfigError as error:
        print(f"webkit: {error}{_where(error)}", file=sys.stderr)
        return 1
    except AddressError as error:
        print(f"webkit: {_explain_address(error, options)}", file=sys.stderr)
        return 1


def load(target: str) -> Any:
    """Import what *target* names: ``package.module.name`` or ``package.module:name``.

    Raises:
        UsageError: the word is relative or no such name, the module does not exist, or it fails on import.
    """
    module_name, name = _split(target)
    module = _import(module_name)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UsageError(_explain_missing(module, name, did_you_mean(part, _public_names(found)))) from None
    return found


def route_table(app: AnyApplication) -> str:
    """Give the routes of *app* as text: methods, path, name, handler; those of mounted applications too."""
    rows = [("METHODS", "PATH", "NAME", "HANDLER"), *_rows(app)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
    never_reached = app.router.shadowed() if isinstance(app, Application) else []
    notes = (
        f"Never reached: {_said(route)} ({route.origin}); {_said(other)} ({other.origin}) answers first."
        for route, other in never_reached
    )
    return "\n".join([*(line.rstrip() for line in lines), *notes])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}. `{_PROGRAM} --help` lists the options.")


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(
        prog=_PROGRAM,
        description="Serve a web application.",
        epilog="Everything that is not an option of webkit is handed to the application's init function, in order.",
        allow_abbrev=False,  # an application's own --no is not our --no-access-log
    )
    parser.add_argument(
        *("-n", "-H", "--host", "--hostname"),
        dest="host",
        action="append",
        help="address to listen on, may be given several times (default: localhost)",
    )
    parser.add_argument(
        "-p", "-P", "--port", dest="port", type=int, default=8080, help="port, 0 for any free one (default: 8080)"
    )
    parser.add_argument(
        "-u", "-U", "--path", dest="path", help="Unix socket to listen on; without a host there is no TCP then"
    )
    parser.add_argument("--path-mode", type=_octal, metavar="MODE", help="permissions of the Unix socket, such as 660")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate (PEM); the server speaks HTTPS then")
    parser.add_argument("--tls-key", metavar="FILE", help="key of the certificate, if it is in another file")
    parser.add_argument("--redirect-port", type=int, metavar="PORT", help="port where HTTP is redirected to HTTPS")
    parser.add_argument("--request-id-header", metavar="NAME", help="header of a trusted proxy with the request's id")
    parser.add_argument("--grace", type=float, metavar="SECONDS", help="time for running requests at the end")
    parser.add_argument("--debug", action="store_true", help="show tracebacks to clients on this machine")
    parser.add_argument("--no-access-log", action="store_true", help="do not log requests")
    parser.add_argument(
        "--access-log-format", metavar="FORMAT", help="what a line says, such as '%%a %%r %%s', or json"
    )
    parser.add_argument("--routes", action="store_true", help="print the routes and exit")
    parser.add_argument("--version", action="version", version=f"webkit {__version__}")
    parser.add_argument("app", metavar="module.init", help="init function or application, also as module:name")
    options, arguments = parser.parse_known_args(argv)
    # A "--" right behind the application ends webkit's own options, and is none of the application's business.
    if arguments[:1] == ["--"]:
        del arguments[0]
    return options, arguments


def _serve_or_list(options: argparse.Namespace, arguments: list[str]) -> int:
    config = _configure(options)
    DEBUG.set(options.debug)
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    target = load(options.app)
    # Outside the loop, so that what it raises, SystemExit of its own options too, comes as it is.
    made = target if isinstance(target, AnyApplication) else _call_init(target, arguments, options.app)
    if made is target and arguments:
        raise UsageError(f"{options.app} is an application and takes no arguments, but got {' '.join(arguments)}.")
    building = _finish(made, options)
    if options.routes:
        print(route_table(asyncio.run(building)))
    else:
        run(building, config, name=options.app)
    return 0


def _configure(options: argparse.Namespace) -> ServerConfig:
    try:
        return ServerConfig(
            host=options.host,
            port=options.port,
            path=options.path,
            path_mode=options.path_mode,
            sockets=sockets_from_systemd(),
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
            redirect_port=options.redirect_port,
            request_id_header=options.request_id_header,
            access_log=not options.no_access_log,
            **_given(grace_s=options.grace, access_log_format=options.access_log_format),
        )
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


async def _finish(made: Any, options: argparse.Namespace) -> AnyApplication:
    """Give the application that *made* is, or gives when it is awaited."""
    app: Any = await made if inspect.isawaitable(made) else made
    if not isinstance(app, AnyApplication):
        what = "returned None; return the application" if app is None else f"gave {app!r}, which is no application"
        raise UsageError(f"{options.app} {what}.")
    if options.debug and isinstance(app, Application):
        app.debug = True
    return app  # type: ignore[no-any-return]


def _build_static(words: list[str]) -> int:
    """Do ``static build FOLDER``: write compressed copies and the manifest."""
    if len(words) != 2 or words[0] != "build":
        raise UsageError(f"Write `{_PROGRAM} static build FOLDER`.")
    print(importlib.import_module("webkit.precompress").build(words[1]))
    return 0


def _octal(text: str) -> int:
    return int(text, 8)


def _said(route: TableRoute) -> str:
    return f"{route.method} {route.table_resource.template}"


def _where(error: BaseException) -> str:
    """Say which line of the application's own code *error* comes from."""
    package = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((package, sys.base_prefix, "<"))]
    # Compiled modules name their source as it lay where they were built: "uvloop/loop.pyx".
    own = [frame for frame in own if "site-packages" not in frame.filename and Path(frame.filename).is_absolute()]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def _call_init(init: Any, arguments: list[str], name: str) -> AnyApplication | Awaitable[AnyApplication]:
    if not callable(init):
        raise UsageError(f"{name} is {init!r}: neither an application nor a function that makes one.")
    takes = [
        parameter
        for parameter in inspect.signature(init).parameters.values()
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL}
    ]
    needed = [parameter for parameter in takes if parameter.default is parameter.empty]
    if len([parameter for parameter in needed if parameter.kind is not parameter.VAR_POSITIONAL]) > 1:
        raise UsageError(f"{name}() takes more than the list of arguments. Write 'def init(argv):'.")
    if takes:
        return init(arguments)  # type: ignore[no-any-return]
    if arguments:
        raise UsageError(f"{name}() takes no arguments, but got {' '.join(arguments)}. Write 'def init(argv):'.")
    return init()  # type: ignore[no-any-return]


def _split(target: str) -> tuple[str, str]:
    if target.startswith("."):
        raise UsageError(f"{target!r} is a relative name; write the whole one, such as package.module:init.")
    separator = ":" if ":" in target else "."
    module, found, name = target.partition(":") if separator == ":" else target.rpartition(".")
    if not found:
        example = f"{target or 'shop.main'}:init"
        raise UsageError(
            f"{target!r} is neither an application nor a command. Write module:name or module.name, such as {example}; "
            f"the command is `static build FOLDER`."
        )
    if not module or not name:
        raise UsageError(f"{target!r} is only half a name; write module:name, such as shop.main:init.")
    return module, name


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only when it is this module that is missing: what it imports itself is a fault of the module.
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(
                f"There is no module {error.name!r}. It was looked for in {Path.cwd()} and in Python's path."
            ) from None
        raise UsageError(_explain_import(name, error)) from None
    except Exception as error:
        raise UsageError(_explain_import(name, error)) from None


def _explain_import(name: str, error: Exception) -> str:
    """Give the traceback of *error* from the module on, what it was caused by included."""
    report = traceback.TracebackException.from_exception(error)
    machinery = (__file__, importlib.__file__, "<frozen importlib")
    own = [frame for frame in report.stack if not frame.filename.startswith(machinery)]
    report.stack = traceback.StackSummary.from_list(own)
    return f"The module {name!r} fails on import:\n{''.join(report.format()).rstrip()}"


def _explain_missing(module: ModuleType, name: str, hint: str) -> str:
    inner = f"{module.__name__}.{name}"
    if hasattr(module, "__path__") and importlib.util.find_spec(inner) is not None:
        return f"{inner!r} is a module; write which application in it, such as {inner}:init."
    return f"The module {module.__name__!r} has no {name!r}.{hint}"


def _public_names(found: Any) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_")]


def _explain_address(error: AddressError, options: argparse.Namespace) -> str:
    where = error.filename
    if where == options.path:
        return f"There can be no socket at {where}: {error.strerror}. Choose another path with -u."
    if error.errno == errno.EADDRINUSE:
        return f"Port {options.port} is in use ({where}). Stop the other server, or choose another port with -p."
    if error.errno == errno.EACCES:
        return f"You may not listen on {where}; ports below 1024 belong to the administrator. Choose another with -p."
    return f"This machine cannot listen on {where}: {error.strerror}. Choose another address with -n."


def _rows(app: AnyApplication) -> Iterator[tuple[str, str, str, str]]:
    """One row for each path and handler, its methods and names together."""
    names = {id(_named_by(resource)): name for name, resource in app.router.named_resources().items()}
    grouped: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for resource in app.router.resources():
        for route in resource:
            owner = route.resource or resource
            path = getattr(owner, "template", owner.canonical) or "/"
            endpoint = route.endpoint if isinstance(route, TableRoute) else route.handler
            methods, known_as = grouped.setdefault((path, name_of(endpoint)), (set(), set()))
            methods.update(_methods_of(route.method, endpoint))
            known_as.add(names.get(id(owner), owner.name or ""))
    for (path, handler), (methods, known_as) in grouped.items():
        yield ",".join(sorted(methods)), path, ",".join(sorted(known_as - {""})), handler


def _named_by(resource: web.AbstractResource) -> web.AbstractResource:
    while isinstance(resource, NameAlias):  # one for each named mount on the way
        resource = resource.target
    return resource


def _methods_of(method: str, endpoint: Any) -> list[str]:
    if method != "*" or not isinstance(endpoint, type) or not issubclass(endpoint, AbstractView):
        return [method]
    if issubclass(endpoint, View):
        return sorted(endpoint.allowed_methods())
    return sorted(known for known in hdrs.METH_ALL if hasattr(endpoint, known.lower()))
