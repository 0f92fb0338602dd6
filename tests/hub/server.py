"""The server: repositories in memory, and faults on demand.

Routes and answers are those that huggingface_hub 2.4 and modelscope-hub 0.5 send and read; both
clients are run against it in `test_hub_clients.py`, so that it cannot drift from them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LFS = 1 << 16  # bytes: what is larger is a large file


@dataclass(slots=True)
class Repository:
    """Files of one commit; `gated` and `private` as hubs have them."""

    files: dict[str, bytes]
    branches: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool | str = False  # the files are; "all": their list, too
    private: str = ""  # the token that sees it

    def at(self, revision: str) -> dict[str, bytes] | None:
        if revision in ("main", "master", commit_of(self.files)):
            return self.files
        if revision in self.branches:
            return self.branches[revision]
        for files in self.branches.values():
            if revision == commit_of(files):
                return files
        return None


@dataclass(slots=True)
class Faults:
    """What goes wrong. Everything is off at first."""

    cut_after: int = 0  # bytes of a file's body, then the connection ends
    cuts: int = 0  # how many bodies are cut; below 0: all of them
    no_ranges: bool = False  # 200 from the beginning, whatever was asked
    quirky_ranges: bool = False  # 200 with a Content-Range
    other_host: str = ""  # files are redirected there
    slow: float = 0.0  # seconds between pieces
    lies: int = 0  # how many bodies hold other bytes of the same length
    lies_about: str = ""  # only of files whose address has this
    busy: int = 0  # how many requests get 429
    retry_after: int = 0
    broken: int = 0  # how many requests get 500
    spurious: int = 0  # how many listings get 403
    forbidden: bool = False  # 403 to everything
    dead: bool = False  # the connection is closed without a word
    small_pages: int = 0  # entries a page of a listing
    lfs_errors: int = 0  # how many contents of a batch have an error and no action
    unanswered: bool = False  # a batch's answer has no entry for what was asked
    must_verify: bool = False  # contents that nobody verified are forgotten
    sends_on: str = ""  # what is PUT is redirected there
    no_visibility: bool = False  # it is not said who sees a repository


BAD_TOKEN = "Invalid credentials in Authorization header"


def commit_of(files: dict[str, bytes]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for path in sorted(files):
        digest.update(path.encode() + b"\0" + hashlib.sha256(files[path]).digest())
    return digest.hexdigest()


def blob_of(body: bytes) -> str:
    return hashlib.sha1(f"blob {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()


class FakeHub:
    """`repos[kind, id]`; `seen` has (method, path, headers) of every request."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repository] = {}
        self.contents: dict[str, bytes] = {}  # large files, by sha256
        self.verified: list[str] = []  # of those that clients said have arrived
        self.writer = "writer"  # the token that may write
        self.revoked: set[str] = set()  # tokens that are none any more
        self.faults = Faults()
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def take(self, name: str) -> bool:
        """Whether this one of the counted faults happens now."""
        with self.lock:
            left = getattr(self.faults, name)
            if left > 0:
                setattr(self.faults, name, left - 1)
            return bool(left > 0)

    def fetched(self) -> list[str]:
        """Paths of the requests for files."""
        return [p for _, p, _ in self.seen if "/resolve/" in p or "FilePath=" in p]


@contextmanager
def running() -> Iterator[FakeHub]:
    hub = FakeHub()
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()


def handler_of(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.seen.append((self.command, self.path, dict(self.headers.items())))
            if hub.faults.dead:
                self.close_connection = True
                return
            if hub.faults.forbidden:
                return self.tell(403, b"{}", {"X-Error-Message": "no"})
            if self.amiss():
                return
            parts = urlsplit(self.path)
            path, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
            if path == "/api/whoami-v2":
                return self.json({"name": "me", "orgs": [], "auth": {}})
            if path.startswith("/api/v1/"):
                return self.modelscope(path, query)
            if path.startswith("/api/"):
                return self.api(path, query)
            if "/resolve/" in path:
                return self.resolve(path)
            if path.endswith(".git/info/refs"):
                return self.refs(path)
            self.tell(404, b"{}")

        def amiss(self) -> bool:
            """Whether this request is answered with one of the counted faults."""
            if hub.take("busy"):
                self.tell(429, b"{}", {"Retry-After": str(hub.faults.retry_after)})
            elif hub.take("broken"):
                self.tell(500, b"{}")
            else:
                return False
            return True

        def do_PUT(self) -> None:
            hub.seen.append((self.command, self.path, dict(self.headers.items())))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.amiss():
                return
            if hub.faults.sends_on:
                there = {"Location": hub.faults.sends_on + self.path}
                return self.tell(307, b"", there)
            if hashlib.sha256(body).hexdigest() != self.path.rpartition("/")[2]:
                return self.tell(400, b"{}")
            hub.contents[self.path.rpartition("/")[2]] = body
            self.tell(200, b"{}")

        def do_POST(self) -> None:
            hub.seen.append((self.command, self.path, dict(self.headers.items())))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.amiss():
                return
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if token != hub.writer:
                return self.tell(401, b"{}", {"X-Error-Message": "Invalid username or password."})
            path = unquote(urlsplit(self.path).path)
            if path == "/api/validate-yaml":
                return self.json({"errors": [], "warnings": []})
            if path.startswith("/verify/"):
                hub.verified.append(json.loads(body)["oid"])
                return self.json({})
            if path.endswith("/info/lfs/objects/batch"):
                return self.batch(json.loads(body), modelscope=path.startswith("/api/v1/"))
            if path == "/api/repos/create":
                told = json.loads(body)
                name = f"{told.get('organization') or 'me'}/{told['name']}"
                private = told.get("private") or told.get("visibility") == "private"
                return self.create(told.get("type", "model"), name, private)
            if path in ("/api/v1/models", "/api/v1/datasets"):
                told = json.loads(body)
                name = f"{told['Path']}/{told['Name']}"
                return self.create(path.rpartition("/")[2][:-1], name, told["Visibility"] == 1)
            if "/preupload/" in path:
                files = [
                    {"path": f["path"], "shouldIgnore": False, "oid": None,
                     "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular"}
                    for f in json.loads(body)["files"]
                ]  # fmt: skip
                return self.json({"files": files})
            if "/commit/" in path:
                return self.commit(path, body)
            self.tell(404, b"{}")

        def create(self, kind: str, name: str, private: object) -> None:
            if (kind, name) in hub.repos:
                return self.json({"Success": False, "Message": "exists"}, status=409)
            hub.repos[kind, name] = Repository({}, private=hub.writer if private else "")
            self.json({"url": f"{hub.url}/{name}", "id": name, "Success": True, "Data": {"Id": 1}})

        def batch(self, told: dict[str, list[dict[str, str]]], *, modelscope: bool) -> None:
            objects: list[dict[str, object]] = []
            for entry in told["objects"]:
                made: dict[str, object] = {"oid": entry["oid"], "size": entry["size"]}
                if hub.take("lfs_errors"):
                    made["error"] = {"code": 422, "message": "no room for it"}
                elif entry["oid"] not in hub.contents:
                    made["actions"] = {
                        "upload": {"href": f"{hub.url}/store/{entry['oid']}"},
                        "verify": {"href": f"{hub.url}/verify/{entry['oid']}"},
                    }
                if not hub.faults.unanswered:
                    objects.append(made)
            answer: dict[str, object] = {"transfer": "basic", "objects": objects}
            self.json({"Success": True, "Code": 200, "Data": answer} if modelscope else answer)

        def commit(self, path: str, body: bytes) -> None:
            files: dict[str, bytes] = {}
            if hub.faults.must_verify and set(hub.contents) - set(hub.verified):
                return self.json({"Success": False, "Message": "not verified"}, status=400)
            if path.startswith("/api/v1/repos/"):
                kind, _, rest = path.removeprefix("/api/v1/repos/").partition("/")
                actions = json.loads(body)["actions"]
                for act in actions:
                    inline = base64.b64decode(act.get("content") or "")
                    large = act["type"] == "lfs"
                    files[act["path"]] = hub.contents[act["sha256"]] if large else inline
            else:
                kind, _, rest = path.removeprefix("/api/").partition("/")
                for line in map(json.loads, body.splitlines()):
                    about = line["value"]
                    if line["key"] == "file":
                        files[about["path"]] = base64.b64decode(about["content"])
                    elif line["key"] == "lfsFile":
                        files[about["path"]] = hub.contents[about["oid"]]
            repo = hub.repos[kind[:-1], "/".join(rest.split("/")[:2])]
            repo.files.update(files)
            oid = commit_of(repo.files)
            self.json({"success": True, "commitUrl": f"{hub.url}/c/{oid}", "commitOid": oid,
                       "Success": True, "Code": 200, "Data": {"oid": oid}})  # fmt: skip

        # --- Hugging Face ---

        def api(self, path: str, query: dict[str, str]) -> None:
            kind, _, rest = path.removeprefix("/api/").partition("/")
            parts = rest.split("/")
            name, what = "/".join(parts[:2]), parts[2] if len(parts) > 2 else "revision"
            revision = "/".join(parts[3:]) or "main"
            repo = self.allowed(kind.rstrip("s"), name)
            if repo is None:
                return
            files = repo.at(revision)
            if files is None and what == "tree" and repo.at(parts[3]) is not None:
                return self.tell(404, b"{}", {"X-Error-Code": "EntryNotFound"})  # a folder of it
            if files is None:
                return self.tell(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            if what == "revision":
                told = {
                    "id": name, "sha": commit_of(files), "private": bool(repo.private),
                    "gated": "auto" if repo.gated else False, "disabled": False, "tags": [],
                    "downloads": 0, "likes": 0, "siblings": [{"rfilename": p} for p in files],
                }  # fmt: skip
                if hub.faults.no_visibility:
                    del told["private"]
                return self.json(told)
            entries = [entry_of(p, files[p]) for p in sorted(files)]
            size = hub.faults.small_pages or 1000
            first = int(query.get("cursor", 0))
            headers = {}
            if first + size < len(entries):
                base = f"{hub.url}{urlsplit(self.path).path}?recursive=True&expand=False"
                headers["Link"] = f'<{base}&cursor={first + size}>; rel="next"'
            self.json(entries[first : first + size], headers)

        def allowed(self, kind: str, name: str) -> Repository | None:
            """The repository, or None after the refusal was sent."""
            repo = hub.repos.get((kind, name))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if repo is None or (repo.private and token != repo.private):
                self.tell(401, b"{}", {"X-Error-Code": "RepoNotFound"})
                return None
            if token in hub.revoked:
                self.tell(401, b"{}", {"X-Error-Message": BAD_TOKEN})
                return None
            if repo.gated and not token and (repo.gated == "all" or "/resolve/" in self.path):
                self.tell(
                    401, b"{}",
                    {"X-Error-Code": "GatedRepo",
                     "X-Error-Message": f"Access to model {name} is restricted."},
                )  # fmt: skip
                return None
            return repo

        def resolve(self, path: str) -> None:
            kind = "dataset" if path.startswith("/datasets/") else "model"
            name, _, rest = path.removeprefix("/datasets").strip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            repo = self.allowed(kind, name)
            if repo is None:
                return
            files = repo.at(revision)
            if files is None or file not in files:
                return self.tell(404, b"", {"X-Error-Code": "EntryNotFound"})
            body = files[file]
            tag = hashlib.sha256(body).hexdigest() if len(body) > LFS else blob_of(body)
            headers = {"X-Repo-Commit": commit_of(files), "ETag": f'"{tag}"'}
            if len(body) > LFS:
                headers |= {"X-Linked-ETag": f'"{tag}"', "X-Linked-Size": str(len(body))}
            self.send_file(body, headers)

        # --- ModelScope ---

        def modelscope(self, path: str, query: dict[str, str]) -> None:
            kind, _, rest = path.removeprefix("/api/v1/").partition("/")
            parts = rest.split("/")
            name, what = "/".join(parts[:2]), "/".join(parts[2:])
            repo = hub.repos.get((kind.rstrip("s"), name))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if repo is None or (repo.private and token != repo.private):
                missing = {"Code": 10010205001, "Success": False,
                           "Message": "获取模型信息失败，信息：record not found"}  # fmt: skip
                return self.json(missing, status=404)
            if what.startswith("repo/") and hub.take("spurious"):
                return self.json(
                    {"Code": 403, "Success": False, "Message": "forbidden"}, status=403
                )
            files = repo.at(query.get("Revision", "master"))
            if files is None:
                told = {"Code": 404, "Success": False, "Message": "revision not found"}
                return self.json(told, status=404)
            if what == "repo/files":
                return self.json(listed(files, query, everything=False))
            if what == "repo/tree":
                return self.json(listed(files, query, everything=True))
            if what == "repo":
                if query.get("FilePath") not in files:
                    return self.tell(500, b"{}")
                return self.send_file(files[query["FilePath"]], {})
            about = {"Path": name.partition("/")[0], "Name": name.partition("/")[2],
                     "Visibility": 1 if repo.private else 5}  # fmt: skip
            if hub.faults.no_visibility:
                del about["Visibility"]
            self.json({"Code": 200, "Success": True, "Data": {"Id": 1, **about}})

        def refs(self, path: str) -> None:
            name = path.removeprefix("/datasets").strip("/").removesuffix(".git/info/refs")
            kind = "dataset" if path.startswith("/datasets/") else "model"
            repo = hub.repos.get((kind, name))
            if repo is None:
                return self.tell(404, b"")
            lines = [f"{commit_of(repo.files)} refs/heads/master\n"]
            lines += [f"{commit_of(f)} refs/heads/{b}\n" for b, f in repo.branches.items()]
            packed = "".join(f"{len(line) + 4:04x}{line}" for line in lines)
            head = "# service=git-upload-pack\n"
            self.tell(200, f"{len(head) + 4:04x}{head}0000{packed}0000".encode())

        # --- bytes ---

        def send_file(self, body: bytes, headers: dict[str, str]) -> None:
            faults = hub.faults
            if faults.other_host:
                return self.tell(302, b"", {**headers, "Location": faults.other_host + self.path})
            first, last, status = 0, len(body) - 1, 200
            asked = self.headers.get("Range", "")
            if asked.startswith("bytes=") and not faults.no_ranges:
                start, _, end = asked[6:].partition("-")
                first, last = int(start), min(int(end or last), last)
                if first >= len(body):
                    return self.tell(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                status = 200 if faults.quirky_ranges else 206
                headers = {**headers, "Content-Range": f"bytes {first}-{last}/{len(body)}"}
            lies = self.command == "GET" and faults.lies_about in self.path
            if lies and hub.take("lies"):
                body = bytes(len(body))
            piece = memoryview(body)[first : last + 1]
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(piece))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            every = faults.cuts < 0
            cut = faults.cut_after if every or hub.take("cuts") else 0
            stop = min(len(piece), cut) if cut else len(piece)
            for place in range(0, stop, 1 << 16):
                self.wfile.write(piece[place : min(place + (1 << 16), stop)])
                if faults.slow:
                    time.sleep(faults.slow)
            if stop < len(piece):
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)

        def json(
            self, told: object, headers: dict[str, str] | None = None, status: int = 200
        ) -> None:
            self.tell(status, json.dumps(told).encode(), headers)

        def tell(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler


def entry_of(path: str, body: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file", "oid": blob_of(body), "size": len(body), "path": path,
    }  # fmt: skip
    if len(body) > LFS:
        entry["lfs"] = {
            "oid": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 134,
        }  # fmt: skip
    return entry


def listed(files: dict[str, bytes], query: dict[str, str], *, everything: bool) -> object:
    """A listing as ModelScope's: of one folder, or of all in pages."""
    root = query.get("Root", "")
    inside = {p: b for p, b in files.items() if not root or p.startswith(f"{root}/")}
    made: list[dict[str, object]] = []
    folders: set[str] = set()
    for path, body in sorted(inside.items()):
        rest = path[len(root) + 1 :] if root else path
        if not everything and query.get("Recursive") != "True" and "/" in rest:
            folder = f"{root}/{rest.split('/')[0]}".strip("/")
            if folder not in folders:
                folders.add(folder)
                made.append({"Name": folder.rpartition("/")[2], "Path": folder, "Type": "tree",
                             "Size": 0, "Sha256": ""})  # fmt: skip
            continue
        made.append({
            "Name": path.rpartition("/")[2], "Path": path, "Size": len(body), "Type": "blob",
            "Sha256": hashlib.sha256(body).hexdigest(), "IsLFS": len(body) > LFS,
            "Mode": "33188", "Revision": commit_of(files), "CommittedDate": 1700000000,
            "CommitMessage": "x", "CommitterName": "x", "InCheck": False, "Id": path,
        })  # fmt: skip
    if everything:
        size, number = int(query.get("PageSize", 200)), int(query.get("PageNumber", 1))
        made = made[(number - 1) * size : number * size]
    return {"Code": 200, "Success": True, "Message": "success", "RequestId": "x",
            "Data": {"Files": made, "LatestCommitter": {}}}  # fmt: skip
