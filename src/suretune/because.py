"""What the system says of a file or an address, in words: it says it in English alone."""

from __future__ import annotations

import errno
import socket

from suretune.types import Text
from suretune.words import say

CHINESE = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EEXIST: "已经存在",
    errno.ENOTDIR: "路径中有一段是文件，不是文件夹",
    errno.EISDIR: "这是文件夹，不是文件",
    errno.ENOTEMPTY: "文件夹不是空的",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "磁盘配额已用完",
    errno.EROFS: "文件系统是只读的",
    errno.EIO: "磁盘读写出错",
    errno.ENAMETOOLONG: "名字太长",
    errno.ELOOP: "链接绕成了圈",
    errno.EMFILE: "打开的文件太多",
    errno.ENFILE: "打开的文件太多",
    errno.EINVAL: "系统不接受这个参数",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
    errno.EAFNOSUPPORT: "系统不支持这种地址",
    errno.ECONNREFUSED: "连接被拒绝，那里没有服务在监听",
    errno.ECONNRESET: "连接被对方断开",
    errno.EPIPE: "连接被对方断开",
    errno.ETIMEDOUT: "超时，没有应答",
    errno.ENETUNREACH: "网络不通",
    errno.EHOSTUNREACH: "连不上这台主机",
}
KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "找不到这个主机名"),
    (TimeoutError, "超时，没有应答"),
    (ConnectionRefusedError, CHINESE[errno.ECONNREFUSED]),
    (ConnectionResetError, CHINESE[errno.ECONNRESET]),
)


def in_words(error: BaseException, english: str = "") -> Text:
    """Why it failed; `english` in place of the system's own words.

    What has no words in Chinese is quoted as the system put it.
    """
    own = (str(getattr(error, "strerror", None) or error) or type(error).__name__).split("\n")[0]
    number = getattr(error, "errno", None)
    zh = next((said for kind, said in KINDS if isinstance(error, kind)), CHINESE.get(number or 0))
    return Text(english or own, zh or f"系统报错 `{own}`")


def because(error: BaseException, english: str = "") -> str:
    """The same in the language of this process."""
    return say(in_words(error, english))


def translated(error: BaseException) -> str:
    """The same where what a reader of ours says may come as well: only the system is translated."""
    return because(error, str(error)) if isinstance(error, OSError) else str(error)
