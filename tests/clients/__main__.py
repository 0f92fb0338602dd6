"""Install the clients apart from everything, ask each all of it, write the table down.

    make clients                         # all of them, at a server of the pocket model
    make clients CLIENTS='--only openai,langchain --no-install'

They are installed under --home, outside of the repository, with pip and npm; nginx is unpacked from
the distribution's packages, and stands in front with our own configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "serve.md"
KEY, MODEL = "a-key-of-the-clients", "pocket"
PYTHON = {  # client -> what pip installs for it, in an environment of its own
    "openai": ("openai",),
    "langchain": ("langchain-openai",),
    "litellm": ("litellm",),
    "autogen": ("autogen-agentchat", "autogen-ext[openai]"),
    "ag2_classic": ("ag2[openai]<1",),  # what was called AutoGen
    "ag2": ("ag2[openai]",),
    "llama_index": ("llama-index-llms-openai-like",),
    "haystack": ("haystack-ai",),
    "pydantic_ai": ("pydantic-ai-slim[openai]",),
    "instructor": ("instructor",),
    "openai_agents": ("openai-agents",),
}
NODE = {"openai": ("openai",), "ai": ("ai", "@ai-sdk/openai-compatible")}
REFUSED = ("tools", "structured", "responses")
BEGIN, END = "<!-- clients: begin -->", "<!-- clients: end -->"


@dataclass(frozen=True, slots=True)
class Asked:
    """What one client met."""

    client: str
    version: str
    checks: Mapping[str, tuple[bool, str]]

    @property
    def good(self) -> bool:
        return bool(self.checks) and all(ok for ok, _ in self.checks.values())


def main() -> int:
    """0 if every client was answered and refused as it should be."""
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("/tmp/suretune-clients"))
    parser.add_argument("--only", default="", help="names, with commas")
    parser.add_argument("--no-install", action="store_true")
    parser.add_argument("--write", action="store_true", help="the table into docs/serve.md")
    told = parser.parse_args()
    only = told.only.split(",") if told.only else [*PYTHON, *(f"{name}.js" for name in NODE)]
    if not told.no_install:
        install(told.home, only)
    with served(told.home) as direct, nginx(told.home, direct) as front:
        found = [asked(told.home, name, front) for name in only]
    print(page := table(found))
    for each in found:
        for check, (ok, said) in each.checks.items():
            if not ok:
                print(f"{each.client}: {check}: {said}")
    if told.write:
        text = PAGE.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{page}{END}{rest.partition(END)[2]}", "utf-8")
    return 0 if all(each.good for each in found) else 1


# --- what is installed --------------------------------------------------------------------------


def install(home: Path, only: Sequence[str]) -> None:
    """An environment for each Python client, one folder for those of node, nginx's files."""
    for name in only:
        if name in PYTHON and not (home / name).is_dir():
            run(sys.executable, "-m", "venv", home / name)
            run(home / name / "bin" / "pip", "install", "-q", *PYTHON[name])
    (node := home / "node").mkdir(parents=True, exist_ok=True)
    wanted = [package for name, some in NODE.items() if f"{name}.js" in only for package in some]
    if wanted and shutil.which("npm"):
        if not (node / "package.json").is_file():
            (node / "package.json").write_text("{}", "utf-8")
        run("npm", "install", "--no-audit", "--no-fund", "--silent", *wanted, cwd=node)
    if not shutil.which("nginx") and shutil.which("apt-get") and not (home / "nginx").is_dir():
        (home / "nginx").mkdir()
        run("apt-get", "download", "nginx", cwd=home / "nginx")
        for package in (home / "nginx").glob("*.deb"):
            run("dpkg", "-x", package, home / "nginx" / "root")


def run(*words: object, cwd: Path | None = None) -> None:
    subprocess.run([str(word) for word in words], cwd=cwd, check=True)


# --- the server, and what stands in front -------------------------------------------------------


@contextmanager
def served(home: Path) -> Iterator[int]:
    """`suretune serve` with a key, and its port."""
    home.mkdir(parents=True, exist_ok=True)
    words = ("serve", "--model", MODEL, "--port", "0", "--json", "--max_model_len", "512",
             "--max_num_seqs", "4")  # fmt: skip
    with (home / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suretune", *words], stdout=subprocess.PIPE, stderr=log,
            text=True, env={**os.environ, "SURETUNE_API_KEY": KEY, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield int(str(json.loads(line)["url"]).rpartition(":")[2].removesuffix("/v1"))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def nginx(home: Path, behind: int) -> Iterator[str]:
    """The URL that clients use: nginx's where there is one, else the server's own."""
    own = home / "nginx" / "root" / "usr" / "sbin" / "nginx"
    binary = shutil.which("nginx") or (str(own) if own.is_file() else "")
    if not binary:
        print("without nginx: it is not installed")
        yield f"http://127.0.0.1:{behind}/v1"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (conf := home / "nginx.conf").write_text(
        f"""daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{}}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
""",
        "utf-8",
    )
    process = subprocess.Popen([binary, "-e", str(home / "nginx.log"), "-c", str(conf)])
    try:
        _answers(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


# --- what was met -------------------------------------------------------------------------------


def asked(home: Path, name: str, url: str) -> Asked:
    """One client, in a process of its own."""
    script = name.removesuffix(".js")
    command = (
        ["node", str(HERE / "cases.mjs"), script] if name.endswith(".js")
        else [str(home / name / "bin" / "python"), str(HERE / "cases.py"), script]
    )  # fmt: skip
    about = {"CLIENTS_URL": url, "CLIENTS_KEY": KEY, "CLIENTS_MODEL": MODEL,
             "CLIENTS_NODE": str(home / "node"), "OTEL_SDK_DISABLED": "true",
             "LITELLM_LOCAL_MODEL_COST_MAP": "True",
             "HAYSTACK_TELEMETRY_ENABLED": "False"}  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | about
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")
    ]
    checks = {str(line["check"]): (bool(line["ok"]), str(line["found"])) for line in lines}
    version = checks.pop("version", (False, ""))[1]
    if not checks:
        checks["all"] = (False, done.stderr.strip()[-300:])
    return Asked(name, version, checks)


def table(found: Sequence[Asked]) -> str:
    """As docs/serve.md has it."""
    lines = [
        f"Measured on {date.today().isoformat()} by `make clients`, through nginx. · "
        f"{date.today().isoformat()} 由 `make clients` 经 nginx 测得。",
        "",
        "| client · 客户端 | version · 版本 | works · 可用 | refused by name · 指名拒绝 "
        "| fails · 失败 |",
        "|---|---|---|---|---|",
    ]
    for each in found:
        right = [name for name, (ok, _) in each.checks.items() if ok]
        wrong = [name for name, (ok, _) in each.checks.items() if not ok]
        works = ", ".join(name for name in right if name not in REFUSED)
        refused = ", ".join(name for name in right if name in REFUSED)
        lines.append(f"| {each.client} | {each.version} | {works} | {refused or '-'} | "
                     f"{', '.join(wrong) or '-'} |")  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
