"""The phone's page and its two files, served by the SMSC's control API or by `handset web`.

No external assets, nothing kept on the server.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'"
)
_TYPES = {
    "phone.html": "text/html; charset=utf-8",
    "phone.css": "text/css; charset=utf-8",
    "phone.js": "text/javascript; charset=utf-8",
}


def phone_routes(control: str = "") -> list[Route]:
    """Routes of the page; `control` is the control API's address where another server has the page."""
    policy = _POLICY
    if control:
        policy += f" {control} {control.replace('http', 'ws', 1)}"
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }

    def route(path: str, name: str) -> Route:
        body = files(__package__).joinpath(name).read_text(encoding="utf-8")
        body = body.replace("{{control}}", escape(control, quote=True))

        async def serve(request: Request) -> Response:
            return Response(body, media_type=_TYPES[name], headers=headers)

        return Route(path, serve, methods=["GET"])

    return [route("/", "phone.html"), route("/phone.css", "phone.css"), route("/phone.js", "phone.js")]
