"""Browsers and proxies in front: whose pages may ask, who is believed, and the page of our own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from suretune.deploy.listen import host_names, origins, proxies
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.options_serve import ServeOptions
from suretune.record.journal import Journal, Stopped
from suretune.serve.app import make_app
from suretune.serve.limits import Limits
from suretune.serve.origins import client_of
from suretune.serve.page import ASSETS, FILES
from test_serve_limits import LOCAL, service

APP = "https://app.example.com"


def call(
    limits: Limits, method: str, path: str, headers: Mapping[str, str], client: str = "127.0.0.1"
) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(service(limits)), client=(client, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asks:
            return await asks.request(method, path, headers=headers)

    return asyncio.run(go())


def limits(*allowed: str, key: str | None = None, trusted: tuple[str, ...] = ()) -> Limits:
    named = origins(ServeOptions(allowed_origins=allowed), key, Journal())
    return Limits(key, (*LOCAL, "site"), 1000, origins=named, proxies=trusted)


# --- pages of other sites -----------------------------------------------------------------------


@pytest.mark.parametrize("origin", [APP, "null", "http://localhost:3000", "chrome-extension://abc"])
def test_pages_that_were_not_named_are_told_how_they_could_be(origin: str) -> None:
    answer = call(limits("https://other.example.com"), "GET", "/v1/models", {"origin": origin})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "origin_not_allowed")
    assert f"--allowed_origins {origin} " in error["message"]
    assert "--forwarded_allow_ips" in error["message"]
    assert "access-control-allow-origin" not in answer.headers
    # Obeyed, it works.
    answer = call(limits(origin), "GET", "/v1/models", {"origin": origin})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("key", [None, "sk-right"])
def test_a_preflight_is_answered_without_the_key(key: str | None) -> None:
    asks = {
        "origin": APP, "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
        "access-control-request-private-network": "true",
    }  # fmt: skip
    answer = call(limits(APP, key=key), "OPTIONS", "/v1/chat/completions", asks)
    assert answer.status_code == 204 and not answer.content
    assert answer.headers["access-control-allow-origin"] == APP
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    refused = call(limits(key=key), "OPTIONS", "/v1/chat/completions", asks)
    assert refused.status_code == 403


def test_a_page_may_read_why_it_was_refused() -> None:
    answer = call(limits(APP, key="sk-right"), "GET", "/v1/models", {"origin": APP})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize(
    ("named", "origin", "let_in"),
    [
        ("*", APP, True), ("*", "null", True), (f"{APP}/", APP, True), (f"{APP}/chat", APP, True),
        (APP.upper(), APP, True), (f"{APP}:443", APP, True), ("http://a:80", "http://a", True),
        ("https://*.example.com", APP, True), ("http://localhost:*", "http://localhost:5173", True),
        ("https://*.example.com", "https://example.com.evil.net", False),
        (APP, "http://app.example.com", False), (APP, f"{APP}.evil.net", False),
        (APP, f"{APP}:8443", False), ("http://[::1]:3000", "http://[::1]:3000", True),
        (f"https://b.net,{APP}", APP, True), (f'["https://b.net", "{APP}"]', APP, True),
    ],
)  # fmt: skip
def test_an_origin_is_read_as_it_is_meant_and_no_further(
    named: str, origin: str, let_in: bool
) -> None:
    answer = call(limits(named), "GET", "/v1/models", {"origin": origin})
    assert answer.status_code == (200 if let_in else 403)


@pytest.mark.parametrize(
    ("named", "meant"),
    [("localhost:3000", "http://localhost:3000"), ("app.example.com", APP),
     ("app.example.com/x", APP), ("https://", "https://app.example.com")],
)  # fmt: skip
def test_what_no_browser_says_is_refused_with_what_it_would_say(named: str, meant: str) -> None:
    with pytest.raises(Stopped) as stopped:
        origins(ServeOptions(allowed_origins=(named,)), None, Journal(verb="serve"))
    (finding,) = stopped.value.findings
    assert finding.code == "C002" and f"`--allowed_origins {meant}`" in finding.fix.en
    assert origins(ServeOptions(allowed_origins=(meant,)), None, Journal()) == (meant,)


def test_any_page_without_a_key_is_told_at_the_start() -> None:
    for key, codes in ((None, ["V020"]), ("sk-right", [])):
        journal = Journal()
        origins(ServeOptions(allowed_origins=("*",)), key, journal)
        assert [finding.code for finding in journal.findings] == codes
        journal.settle()  # it is noted, and stops nothing
    assert not judge(SetupFacts("any-page-may-ask"))[0].stops


# --- proxies ------------------------------------------------------------------------------------

SAME = {"origin": "https://site"}


@pytest.mark.parametrize(
    ("headers", "trusted", "status"),
    [
        # As nginx sends it without a word about the outside: the way is named, see above.
        ({"host": "127.0.0.1:8000", "origin": "http://site:8081"}, ("127.0.0.1",), 403),
        ({"host": "site", **SAME}, (), 200),
        ({"host": "site:443", **SAME}, (), 200),
        ({"host": "SITE", **SAME}, (), 200),
        ({"host": "127.0.0.1:8000", **SAME, "x-forwarded-host": "site"}, ("127.0.0.0/8",), 200),
        ({"host": "127.0.0.1:8000", **SAME, "x-forwarded-host": "site, localhost"}, ("*",), 200),
        ({"host": "127.0.0.1:8000", **SAME, "forwarded": 'for=1.2.3.4;host="site";proto=https'},
         ("127.0.0.1",), 200),
        ({"host": "127.0.0.1:8000", "origin": "http://site:8081", "x-forwarded-host": "site:8081"},
         ("127.0.0.1",), 200),
        ({"host": "127.0.0.1:8000", **SAME, "x-forwarded-host": "site"}, (), 403),
        ({"host": "127.0.0.1:8000", **SAME, "x-forwarded-host": "site"}, ("10.0.0.0/8",), 403),
        # A name that is not this server's is none for having a proxy's header beside it.
        ({"host": "evil.net", "origin": "http://evil.net", "x-forwarded-host": "localhost"},
         ("127.0.0.1",), 403),
        ({"host": "site", "origin": "http://site:8081"}, (), 403),
    ],
)  # fmt: skip
def test_a_proxy_is_believed_where_that_was_said(
    headers: dict[str, str], trusted: tuple[str, ...], status: int
) -> None:
    assert call(limits(trusted=trusted), "GET", "/v1/models", headers).status_code == status


@pytest.mark.parametrize(
    "told",
    [
        {"x-forwarded-host": "evil.net"},
        {"x-forwarded-host": "evil.net:80"},
        {"x-forwarded-host": "site, evil.net"},  # a proxy may append to what a page has made up
        {"x-forwarded-host": "evil.net, site"},
        {"forwarded": "for=1.2.3.4;host=evil.net"},
        {"forwarded": 'for=1.2.3.4;host="site", for=5.6.7.8;host="evil.net:80"'},
    ],
)
@pytest.mark.parametrize("page", [{}, {"origin": "http://evil.net"}])  # GETs have no Origin
def test_a_name_that_a_page_made_point_at_the_proxy_is_refused(
    told: dict[str, str], page: dict[str, str]
) -> None:
    headers = {"host": "127.0.0.1:8000", **page, **told}
    service_limits = limits(trusted=("127.0.0.1",))
    answer = call(service_limits, "GET", "/v1/models", headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "host_not_allowed")
    assert "--allowed_hosts evil.net " in error["message"]
    obeyed = replace(service_limits, hosts=(*service_limits.hosts, "evil.net"))
    assert call(obeyed, "GET", "/v1/models", headers).status_code == 200
    # Who is not believed says nothing: the header is of no account.
    without_page = {name: value for name, value in headers.items() if name != "origin"}
    assert call(limits(), "GET", "/v1/models", without_page).status_code == 200


def test_a_host_that_is_not_known_is_told_how_it_could_be() -> None:
    answer = call(limits(), "GET", "/health", {"host": "upstream:8011"})
    assert answer.status_code == 403
    assert "--allowed_hosts upstream " in answer.json()["error"]["message"]
    for written in ("upstream", "upstream:8011", "http://upstream/", "UPSTREAM", "x,upstream"):
        assert "upstream" in host_names(ServeOptions(allowed_hosts=(written,)))


@pytest.mark.parametrize(
    ("peer", "told", "trusted", "client"),
    [
        ("10.0.0.1", "192.0.2.9", (), "10.0.0.1"),
        ("10.0.0.1", "192.0.2.9", ("10.0.0.0/8",), "192.0.2.9"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.9, 10.0.0.2", ("10.0.0.0/8",), "192.0.2.9"),
        ("10.0.0.1", "", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3", ("10.0.0.0/8",), "10.0.0.3"),
        ("10.0.0.1", "x\x1b[31m", ("*",), "x\\x1b[31m"),
        ("10.0.0.1", "192.0.2.9", ("::/0",), "10.0.0.1"),
    ],
)
def test_a_client_is_who_asked_the_outermost_trusted_proxy(
    peer: str, told: str, trusted: tuple[str, ...], client: str
) -> None:
    headers = [(b"x-forwarded-for", told.encode())] if told else []
    assert client_of({"client": (peer, 1), "headers": headers}, trusted) == client


def test_what_is_no_address_of_a_proxy_is_refused() -> None:
    with pytest.raises(Stopped, match="C002"):
        proxies(ServeOptions(forwarded_allow_ips=("nginx",)), Journal())
    given = ("127.0.0.1,10.0.0.0/8", "::1", "*", "192.168.1.7/24")
    made = proxies(ServeOptions(forwarded_allow_ips=given), Journal())
    assert made == ("127.0.0.1", "10.0.0.0/8", "::1", "*", "192.168.1.7/24")


# --- the page -----------------------------------------------------------------------------------


class Tags(HTMLParser):
    """What a page brings along."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style"):
            self.inline += data.strip()


def test_the_page_is_given_without_a_key_and_its_parts_too() -> None:
    for path, name, kind in FILES:
        answer = call(limits(key="sk-right"), "GET", path, {})
        assert answer.status_code == 200 and answer.headers["content-type"] == kind
        assert answer.content == (ASSETS / name).read_bytes()
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        sources = re.findall(r"[a-z]+-src ([^;]+)", policy)
        assert set(sources) == {"'none'", "'self'"} and "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    slash = call(limits(), "GET", "/docs/", {})
    assert slash.status_code == 307 and slash.headers["location"] == "../docs"


def test_the_page_has_nothing_inline_and_asks_nobody_else() -> None:
    tags = Tags()
    tags.feed((ASSETS / "page.html").read_text(encoding="utf-8"))
    asked = [about.get("src") or about.get("href") for _, about in tags.found]
    paths = {f"/{place}" for place in asked if place}
    assert paths <= {path for path, _, _ in FILES} and not tags.inline
    assert not [n for _, about in tags.found for n in about if n.startswith("on") or n == "style"]
    ids = {about["id"] for _, about in tags.found if "id" in about}
    script = (ASSETS / "page.js").read_text(encoding="utf-8")
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= ids
    for path, name, _ in FILES:
        text = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|//\w+\.\w", text), path
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Storage", script
    )


def test_every_sentence_of_the_page_has_both_languages() -> None:
    tags = Tags()
    tags.feed((ASSETS / "page.html").read_text(encoding="utf-8"))
    said = [about for _, about in tags.found if "data-en" in about or "data-zh" in about]
    assert len(said) > 10 and all(each.get("data-en") and each.get("data-zh") for each in said)
    script = (ASSETS / "page.js").read_text(encoding="utf-8")
    tables = re.findall(r"^  (?:en|zh): {(.*?)^  },", script, re.S | re.M)
    english, chinese = (set(re.findall(r"(?:^    |, )(\w+): \"", t, re.M)) for t in tables)
    assert english == chinese
    assert set(re.findall(r'word\("(\w+)"\)', script)) <= english
