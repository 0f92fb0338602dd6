"""GET /docs: a page on which requests can be tried, of files in `assets/` and of nobody else's.

It is shown without a key, for it says nothing; it asks with the key that is typed in.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ASSETS = Path(__file__).parent / "assets"
FILES = (
    ("/docs", "page.html", "text/html; charset=utf-8"),
    ("/docs/page.js", "page.js", "text/javascript; charset=utf-8"),
    ("/docs/page.css", "page.css", "text/css; charset=utf-8"),
)
# Nothing but its own files, nothing inline, no other page around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SHUT = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


def page_routes() -> list[Route]:
    """Its routes; addresses in it are relative, so that it works behind a proxy's prefix."""

    def route(path: str, name: str, kind: str) -> Route:
        made = (ASSETS / name).read_bytes()

        async def give(request: Request) -> Response:
            return Response(made, media_type=kind, headers=SHUT)

        return Route(path, give)

    async def without_slash(request: Request) -> Response:
        return Response(status_code=307, headers={**SHUT, "location": "../docs"})

    return [*(route(*file) for file in FILES), Route("/docs/", without_slash)]
