"""OSErrors with the words that the operating system uses for them, which the core may not ask (`os.strerror`)."""

from __future__ import annotations

import errno

_WORDS = {
    errno.EACCES: "Permission denied",
    errno.EADDRINUSE: "Address already in use",
    errno.EADDRNOTAVAIL: "Cannot assign requested address",
    errno.EBADF: "Bad file descriptor",
    errno.EBADMSG: "Bad message",
    errno.ECONNABORTED: "Software caused connection abort",
    errno.ECONNREFUSED: "Connection refused",
    errno.ECONNRESET: "Connection reset by peer",
    errno.EDESTADDRREQ: "Destination address required",
    errno.EHOSTUNREACH: "No route to host",
    errno.EHOSTDOWN: "Host is down",
    errno.EINVAL: "Invalid argument",
    errno.EISCONN: "Transport endpoint is already connected",
    errno.EMSGSIZE: "Message too long",
    errno.ENETDOWN: "Network is down",
    errno.ENETUNREACH: "Network is unreachable",
    errno.ENOBUFS: "No buffer space available",
    errno.ENOPROTOOPT: "Protocol not available",
    errno.ENODEV: "No such device",
    errno.ENOTCONN: "Transport endpoint is not connected",
    errno.EOPNOTSUPP: "Operation not supported",
    errno.EPERM: "Operation not permitted",
    errno.EPIPE: "Broken pipe",
    errno.EPROTO: "Protocol error",
    errno.ETIMEDOUT: "Connection timed out",
}


def failure(code: int, words: str = "") -> OSError:
    """An OSError of the class that belongs to `code`: ConnectionRefusedError, TimeoutError ..."""
    return OSError(code, words or _WORDS.get(code) or errno.errorcode.get(code, "error"))
