"""What the system or a library says when it refuses, in words of both languages.

The error's own name or text follows in brackets: people search for it.
"""

from __future__ import annotations

import errno
import re
import socket

from suretune.types import Text

SYSTEM = {
    errno.EACCES: Text("permission denied", "没有权限"),
    errno.EPERM: Text("not permitted", "不允许这样做"),
    errno.ENOENT: Text("no such file or folder", "没有这个文件或文件夹"),
    errno.EEXIST: Text("already there", "已经存在"),
    errno.EISDIR: Text("it is a folder", "这是文件夹，不是文件"),
    errno.ENOTDIR: Text("a part of the path is no folder", "路径中间有一段不是文件夹"),
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
    errno.ETXTBSY: Text("it is being run", "正在运行中"),
    errno.ENOMEM: Text("out of memory", "内存不足"),
    errno.EINVAL: Text("the system does not accept that", "系统不接受这个操作"),
    errno.EPIPE: Text("the other side closed the connection", "对方已关闭连接"),
    errno.EADDRINUSE: Text("another program uses the address", "地址已被其他程序占用"),
    errno.EADDRNOTAVAIL: Text("the system has no such address", "系统里没有这个地址"),
    errno.ECONNREFUSED: Text("nothing listens there", "连接被拒绝，那里没有服务在监听"),
    errno.ECONNRESET: Text("the connection was cut off", "连接被对方中断"),
    errno.ECONNABORTED: Text("the connection was cut off", "连接被中断"),
    errno.ETIMEDOUT: Text("no answer in time", "连接超时"),
    errno.EHOSTUNREACH: Text("the machine cannot be reached", "连不上这台机器"),
    errno.ENETUNREACH: Text("the network cannot be reached", "网络不通"),
    errno.ENETDOWN: Text("the network is down", "网络已断开"),
}
UNRESOLVED = Text("the name of the machine is not known", "无法解析主机名")
TIMEOUT = Text("no answer in time", "超时，没有应答")
# What is told in words alone, by libraries that keep no number.
SPOKEN = (
    (r"Name or service not known|nodename nor servname|getaddrinfo failed|"
     r"[Ff]ailed to resolve|name resolution|No address associated", UNRESOLVED),
    (r"[Tt]imed? ?out|[Tt]imeout", TIMEOUT),
    (r"[Cc]onnection refused", SYSTEM[errno.ECONNREFUSED]),
    (r"[Cc]onnection reset|closed connection without response|[Ss]erver disconnected",
     SYSTEM[errno.ECONNRESET]),
    (r"CERTIFICATE_VERIFY_FAILED|[Cc]ertificate verify failed", Text(
        "the certificate of the server is not trusted", "服务器的证书不受信任")),
    (r"\b404\b|Repository Not Found", Text("nothing has that name there", "没有这个名字")),
    (r"\b40[13]\b|[Gg]ated|[Uu]nauthorized", Text(
        "it wants somebody to log in who may read it", "需要登录并获得授权")),
    (r"\b429\b|[Tt]oo many requests", Text("too many requests", "请求太频繁")),
    (r"\b50[0234]\b", Text("the server failed", "服务器出错")),
    (r"[Pp]roxy", Text("the proxy refused", "代理服务器拒绝了连接")),
    (r"outgoing traffic has been disabled|offline mode", Text(
        "downloads are switched off (HF_HUB_OFFLINE)", "已关闭下载（HF_HUB_OFFLINE）")),
    (r"cannot find the (requested|appropriate) .{0,60}(cache|locally)|ConnectError|"
     r"[Nn]etwork is unreachable", SYSTEM[errno.ENETUNREACH]),
    (r"No such file or directory", SYSTEM[errno.ENOENT]),
    (r"[Pp]ermission denied", SYSTEM[errno.EACCES]),
    (r"out of memory|[Cc]an't allocate|ALLOC_FAILED|MemoryError", Text(
        "out of memory", "显存或内存不足")),
    (r"No space left", SYSTEM[errno.ENOSPC]),
    (r"unexpected end of data|Unterminated|EOF while parsing|input is zero-length|"
     r"unexpected end", Text("it ends too early", "内容不完整")),
    (r"Expecting|unexpected character|trailing (characters|comma)|Extra data|is not valid JSON|"
     r"expected .{1,30} at line", Text("it is not valid JSON", "不是合法的 JSON")),
    (r"codec can't decode|not valid UTF-8|invalid utf-8|surrogates", Text(
        "it is not UTF-8", "不是 UTF-8 编码")),
    (r"embedded null", Text("there is a NUL in the name", "名字里有 NUL 字符")),
    (r"[Cc]ould not determine home directory|Can't determine home directory", Text(
        "there is no such user, and so no home folder", "没有这个用户，也就没有主目录")),
)  # fmt: skip
LINE = re.compile(r"line (\d+): (.+)")
# What our own readers say of a line of a file.
OURS = (
    (r"[`']?([\w.]+)[`']? is missing", "缺少 `{0}`"),
    (r"[`']?([\w.]+)[`']? is missing; it takes (.+)", "缺少 `{0}`；应有 {1}"),
    (r"[`']?([\w.]+)[`']? is no text", "`{0}` 不是文字"),
    (r"[`']?([\w.]+)[`']? is empty", "`{0}` 是空的"),
    (r"unknown key [`'](.+?)[`']", "没有 `{0}` 这个键"),
    (r"unknown key [`'](.+?)[`']; it takes (.+)", "没有 `{0}` 这个键；应有 {1}"),
    (r"no JSON object|not an object.*", "不是 JSON 对象"),
    (r"longer than ([\d,]+) bytes", "超过 {0} 字节"),
)
MOST = 200  # characters of the error's own text


def in_words(error: BaseException | str) -> Text:
    """Why something was refused: by its error number or its words, if they are known, with what
    people search for in brackets; else the error's own first line."""
    number = _number(error)
    if number in SYSTEM:
        return _with(SYSTEM[number], errno.errorcode[number])
    raw = _raw(error)
    if isinstance(error, (socket.gaierror, UnicodeError)) and not isinstance(
        error, UnicodeDecodeError
    ):
        return _with(UNRESOLVED, _quoted(raw))
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if place := LINE.fullmatch(raw):
        why = in_words(place[2])
        return Text(f"line {place[1]}: {why.en}", f"第 {place[1]} 行：{why.zh}")
    for pattern, chinese in OURS:
        if told := re.fullmatch(pattern, raw):
            return Text(raw, chinese.format(*told.groups()))
    known = next((words for pattern, words in SPOKEN if re.search(pattern, raw)), None)
    return _with(known, _quoted(raw)) if known else Text(raw, _quoted(raw))


def _quoted(raw: str) -> str:
    """As code, without a sign that would end it."""
    return f"`{raw.replace('`', chr(39))}`"


def _with(words: Text, own: str) -> Text:
    return Text(f"{words.en} ({own})", f"{words.zh}（{own}）")


def _number(error: BaseException | str) -> int:
    """The system's number, which some libraries tell in words only; 0 where there is none."""
    if isinstance(error, socket.gaierror):  # whose numbers are others
        return 0
    if isinstance(number := getattr(error, "errno", None), int):
        return number
    found = re.search(r"\[Errno (\d+)\]|\(os error (\d+)\)", str(error))
    return int(found[1] or found[2]) if found else 0


def _raw(error: BaseException | str) -> str:
    """The error's own words in one line."""
    lines = str(error).strip().splitlines()
    words = " ".join(lines[0].split()) if lines else type(error).__name__
    return words if len(words) <= MOST else words[: MOST - 1] + "…"
