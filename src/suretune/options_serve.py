"""What can be asked of a server. See `options.py`."""

from __future__ import annotations

from dataclasses import dataclass

from suretune.option import option


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Server"""

    host: str = option(
        "127.0.0.1",
        "the address to listen on; any that other machines can reach needs a key",
        "监听地址；其他机器能访问的地址必须有密钥",
    )
    port: int = option(
        8000,
        "the port to listen on; 0: any free one",
        "监听端口；0 表示任意空闲端口",
        least=0,
        most=65535,
    )
    api_key: str | None = option(
        None,
        "the key that clients must send; better in the environment, SURETUNE_API_KEY, where the"
        " list of processes does not show it",
        "客户端必须发送的密钥；最好写在环境变量 SURETUNE_API_KEY 里，这样进程列表里看不到",
    )
    allow_unverified: bool = option(
        False,
        "serve adapters that have no seal, too; /v1/models says which they are",
        "也提供没有通过验证的适配器；/v1/models 会标明是哪些",
    )
    served_model_name: tuple[str, ...] = option(
        (),
        "names of the runs as clients ask for them, in their order; a run's own when not given",
        "客户端使用的模型名，按运行的顺序；不写则用运行文件夹的名字",
    )
    max_model_len: int | None = option(
        None,
        "most tokens of a prompt and its answer together; the model's context, 4096 at most, when"
        " not given",
        "提示加回答最多多少 token；不写则为模型的上下文长度，至多 4096",
        least=16,
    )
    max_num_seqs: int | None = option(
        None,
        "requests that are answered at once; 64 on CUDA if they fit, 8 on a CPU when not given",
        "同时回答多少个请求；不写则 CUDA 上 64 个（放得下时），CPU 上 8 个",
        least=1,
        most=1024,
    )
    max_queue: int = option(
        256,
        "requests that wait for their turn; more are told to come again (429)",
        "最多多少个请求排队；再多就让客户端稍后重试（429）",
        least=0,
    )
    max_loras: int = option(
        8,
        "adapters that can be served at once",
        "同时最多提供几个适配器",
        least=1,
        most=64,
    )
    max_lora_ranks: int | None = option(
        None,
        "ranks of all adapters together; those of the runs given, and 256 more with --adapters_dir,"
        " when not given",
        "所有适配器的秩之和；不写则为给出的各运行之和，有 --adapters_dir 时再加 256",
        least=8,
    )
    adapters_dir: str | None = option(
        None,
        "let clients load and unload adapters that lie in this folder, and nowhere else",
        "允许客户端加载、卸载此文件夹内的适配器（仅限此文件夹）",
    )
    allowed_hosts: tuple[str, ...] = option(
        (),
        "names by which clients may call this server (the Host header), besides its own; *: any",
        "除自身地址外，客户端可用哪些名字访问本服务（Host 头）；* 表示任意",
    )
    allowed_origins: tuple[str, ...] = option(
        (),
        "pages of other sites that may ask, as the browser names them: https://app.example.com,"
        " http://localhost:3000; *: any page",
        "允许哪些其他网站的页面访问（CORS），写法与浏览器的 Origin 相同：https://app.example.com、"
        "http://localhost:3000；* 表示任意页面",
        "cors_allow_origins",
    )
    forwarded_allow_ips: tuple[str, ...] = option(
        (),
        "addresses or networks of reverse proxies that are believed for whom they ask"
        " (X-Forwarded-For, X-Forwarded-Host, Forwarded); *: any",
        "信任哪些反向代理（IP 或网段）转发的来源信息"
        "（X-Forwarded-For、X-Forwarded-Host、Forwarded）；"
        "* 表示任意",
        "trusted_proxies",
    )
    max_body_bytes: int = option(
        1_048_576,
        "largest request",
        "请求体最大多少字节",
        least=1024,
    )
    drain_seconds: float = option(
        30.0,
        "time for answers under way to end after a SIGTERM",
        "收到 SIGTERM 后，留给未完成回答的时间（秒）",
        least=0,
        most=3600,
    )
