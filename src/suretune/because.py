"""Why the system or a library refused, in words of both languages: each says it in its own alone.

What the error itself says follows in brackets: people search for it.
"""

from __future__ import annotations

import errno
import re
import socket

from suretune.types import Text

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # there is no room for a file
SYSTEM = {
    errno.EACCES: Text("permission denied", "没有权限"),
    errno.EPERM: Text("not permitted", "系统不允许这样做"),
    errno.ENOENT: Text("no such file or folder", "没有这个文件或文件夹"),
    errno.EEXIST: Text("already there", "已经存在"),
    errno.EISDIR: Text("it is a folder", "这是文件夹，不是文件"),
    errno.ENOTDIR: Text("a part of the path is no folder", "路径中有一段是文件，不是文件夹"),
    errno.ENOTEMPTY: Text("the folder is not empty", "文件夹不是空的"),
    errno.ENOSPC: Text("no space left on the disk", "磁盘空间不足"),
    errno.EDQUOT: Text("the disk quota is used up", "磁盘配额已用完"),
    errno.EFBIG: Text("the file would be too large", "文件太大，无法写入"),
    errno.EROFS: Text("the file system is read-only", "文件系统是只读的"),
    errno.EMFILE: Text("too many open files", "打开的文件太多"),
    errno.ENFILE: Text("too many open files on this machine", "本机打开的文件太多"),
    errno.ENAMETOOLONG: Text("the name is too long", "名字太长"),
    errno.ELOOP: Text("links that lead in a circle", "链接互相指向，成了环"),
    errno.EIO: Text("the disk failed to read or write", "磁盘读写出错"),
    errno.ESTALE: Text("the network disk lost the file", "网络磁盘上的文件已失效"),
    errno.EBUSY: Text("it is in use", "正在使用中"),
    errno.ETXTBSY: Text("it is being run", "文件正在运行中"),
    errno.ENOMEM: Text("out of memory", "内存不足"),
    errno.EINVAL: Text("the system does not accept that", "系统不接受这个操作"),
    errno.EPIPE: Text("the other side closed the connection", "对方已关闭连接"),
    errno.EADDRINUSE: Text("another program uses the address", "地址已被其他程序占用"),
    errno.EADDRNOTAVAIL: Text("this machine has no such address", "本机没有这个地址"),
    errno.EAFNOSUPPORT: Text("the system has no addresses of this kind", "系统不支持这种地址"),
    errno.ECONNREFUSED: Text("nothing listens there", "连接被拒绝，那里没有服务在监听"),
    errno.ECONNRESET: Text("the connection was cut off", "连接被对方断开"),
    errno.ECONNABORTED: Text("the connection was cut off", "连接中断"),
    errno.ETIMEDOUT: Text("no answer in time", "超时，没有应答"),
    errno.EHOSTUNREACH: Text("the machine cannot be reached", "连不上这台机器"),
    errno.ENETUNREACH: Text("the network cannot be reached", "网络不通"),
    errno.ENETDOWN: Text("the network is down", "网络已断开"),
}
UNRESOLVED = Text("the name of the machine is not known", "无法解析主机名")
TIMEOUT = Text("no answer in time", "超时，没有应答")
# What is told in words alone, by libraries that keep no number.
SPOKEN = (
    (
        r"Name or service not known|nodename nor servname|getaddrinfo failed|"
        r"[Ff]ailed to resolve|name resolution|No address associated|name of the host is not known|"
        r"'idna' codec|label (empty|too long)",
        UNRESOLVED,
    ),
    (r"[Tt]imed? ?out|[Tt]imeout", TIMEOUT),
    (r"[Cc]onnection refused", SYSTEM[errno.ECONNREFUSED]),
    (
        r"[Cc]onnection reset|closed connection without response|[Ss]erver disconnected|"
        r"connection was cut",
        SYSTEM[errno.ECONNRESET],
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|[Cc]ertificate verify failed",
        Text("the certificate of the server is not trusted", "服务器的证书不受信任"),
    ),
    (r"^TLS:|SSL", Text("no secure connection could be made", "无法建立加密连接")),
    (
        r"HTTP (Error )?404\b|\b404 (Client|Not)|Repository Not Found",
        Text("nothing has that name there", "没有这个名字"),
    ),
    (
        r"HTTP (Error )?40[13]\b|\b40[13] (Client|Forbidden|Unauthorized)|[Gg]ated|[Uu]nauthorized",
        Text("it wants a token that may do this", "需要有权限的令牌"),
    ),
    (
        r"HTTP (Error )?429\b|\b429 (Client|Too)|[Tt]oo many requests",
        Text("too many requests", "请求太频繁"),
    ),
    (r"HTTP (Error )?5\d\d\b|\b5\d\d Server", Text("the server failed", "服务器出错")),
    (
        r"ProxyError|[Tt]unnel connection failed|connect to (the )?proxy",
        Text("the proxy failed", "代理服务器出错"),
    ),
    (
        r"outgoing traffic has been disabled|offline mode",
        Text("downloads are switched off (HF_HUB_OFFLINE)", "已关闭下载（HF_HUB_OFFLINE）"),
    ),
    (
        r"cannot find the (requested|appropriate) .{0,60}(cache|locally)|ConnectError|"
        r"[Nn]etwork is unreachable",
        SYSTEM[errno.ENETUNREACH],
    ),
    (r"No such file or directory", SYSTEM[errno.ENOENT]),
    (r"[Pp]ermission denied", SYSTEM[errno.EACCES]),
    (
        r"out of memory|[Cc]an't allocate|ALLOC_FAILED|MemoryError",
        Text("out of memory", "显存或内存不足"),
    ),
    (r"unable to open database", Text("the database cannot be opened", "打不开这个数据库文件")),
    (
        r"file is not a database|image is malformed",
        Text("it is no SQLite file", "不是 SQLite 文件"),
    ),
    (r"readonly database", SYSTEM[errno.EACCES]),
    (r"No space left", SYSTEM[errno.ENOSPC]),
    (
        r"unexpected end of data|Unterminated|EOF while parsing|input is zero-length|"
        r"unexpected end",
        Text("it ends too early", "内容不完整"),
    ),
    (
        r"Expecting|unexpected character|trailing (characters|comma)|Extra data|is not valid JSON|"
        r"expected .{1,30} at line|an answer that is no JSON",
        Text("it is not valid JSON", "不是合法的 JSON"),
    ),
    (r"surrogates not allowed", Text("there is half a character in it", "含有不完整的字符")),
    (
        r"codec can't decode|not valid UTF-8|invalid utf-8|surrogates",
        Text("it is not UTF-8", "不是 UTF-8 编码"),
    ),
    (r"embedded null", Text("there is a NUL in the name", "名字里有 NUL 字符")),
    (
        r"[Cc]ould not determine home directory|Can't determine home directory",
        Text("there is no such user, and so no home folder", "没有这个用户，也就没有主目录"),
    ),
)
MOST = 200  # characters of the error's own text


def in_words(error: BaseException | str) -> Text:
    """Why something was refused: by its error number or its words, if they are known, with what
    people search for in brackets; else the error's own first line."""
    number = number_of(error)
    if number in SYSTEM:
        return _with(SYSTEM[number], errno.errorcode[number])
    raw = _raw(error)
    if isinstance(error, socket.gaierror):
        return _with(UNRESOLVED, _quoted(raw))
    if isinstance(error, TimeoutError):
        return TIMEOUT
    known = next((words for pattern, words in SPOKEN if re.search(pattern, raw)), None)
    return _with(known, _quoted(raw)) if known else Text(raw, _quoted(raw))


def _quoted(raw: str) -> str:
    """As code, without a sign that would end it."""
    return f"`{raw.replace('`', chr(39))}`"


def _with(words: Text, own: str) -> Text:
    return Text(f"{words.en} ({own})", f"{words.zh}（{own}）")


def number_of(error: BaseException | str) -> int:
    """The system's number, which some libraries tell in words only; 0 where there is none."""
    if isinstance(error, socket.gaierror):  # whose numbers are others
        return 0
    if isinstance(number := getattr(error, "errno", None), int):
        return number
    found = re.search(r"\[Errno (\d+)\]|\(os error (\d+)\)", str(error))
    return int(found[1] or found[2]) if found else 0


def _raw(error: BaseException | str) -> str:
    """The error's own words in one line; its name, too, where they are a mere key or nothing."""
    words = " ".join((str(error).strip().splitlines() or [""])[0].split())
    if isinstance(error, LookupError) or not words:
        words = f"{type(error).__name__}: {words}".removesuffix(": ")
    words = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
    return words if len(words) <= MOST else words[: MOST - 1] + "…"
