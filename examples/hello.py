"""Three answers from one application: text, JSON, and a greeting by name.

Run:  python -m webkit -p 8080 examples.hello:init
See:  curl -i localhost:8080/hello/Ada
"""

from webkit import Application, Route


async def home() -> str:
    """Answer with text: a plain string is never HTML."""
    return "Hello, world"


async def greet(name: str) -> dict[str, str]:
    """Answer with JSON; ``name`` comes from the path."""
    return {"hello": name}


def count(number: int) -> list[int]:
    """Run in a thread, because it is a plain function: it may compute or block."""
    return list(range(1, number + 1))


def init(argv: list[str]) -> Application:
    """Make the application."""
    return Application(
        routes=[
            Route("GET", "/", home),
            Route("GET", "/hello/{name}", greet, name="greet"),
            Route("GET", "/count/{number:int}", count),
        ]
    )
