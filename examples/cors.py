"""An API for pages of other sites: aiohttp-cors says which of them may read what it answers.

Run:  python -m webkit -p 8080 examples.cors:init
See:  curl -i -H 'Origin: https://shop.example' localhost:8080/prices/1
"""

import aiohttp_cors
from aiohttp import web
from aiohttp_cors import CorsViewMixin

from webkit import Application, Body, View
from webkit.errors import HTTPNotFound

PRICES = web.AppKey("prices", dict[int, float])

SHOP = {"https://shop.example": {"allow_headers": ["Content-Type"], "max_age": 3600}}
OFFICE = {"https://office.example": {"allow_headers": "*", "allow_credentials": True}}


class Price(View, CorsViewMixin):
    """One price. The mixin answers OPTIONS, where a browser asks first."""

    async def get(self, id: int) -> dict[str, float]:
        """Give the price."""
        try:
            return {"price": self.app[PRICES][id]}
        except KeyError:
            raise HTTPNotFound from None

    async def put(self, id: int, price: Body[float]) -> dict[str, float]:
        """Change the price."""
        self.app[PRICES][id] = price
        return {"price": price}


async def prices(request: web.Request) -> dict[int, float]:
    """Give all prices."""
    return request.app[PRICES]


async def forget(request: web.Request) -> None:
    """Forget all prices."""
    request.app[PRICES].clear()
    raise web.HTTPNoContent


def init(argv: list[str]) -> Application:
    """Make the application: it is all for the shop, and one route for the office, too."""
    app = Application()
    app[PRICES] = {1: 2.5}
    app.add_get("/prices", prices)
    app.add_view("/prices/{id:int}", Price)

    cors = aiohttp_cors.setup(app.aiohttp, defaults=SHOP)
    for route in app.router.routes():
        cors.add(route)
    cors.add(app.add_delete("/everything", forget), OFFICE)
    return app
