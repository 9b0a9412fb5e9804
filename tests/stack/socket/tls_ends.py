"""What the tests of TLS share: certificates, and two ends of one connection on a Lan in virtual time."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

import trustme

from components.lan import Lan

NAME = "server.test"


class Authority(NamedTuple):
    ca: trustme.CA
    leaf: trustme.LeafCert

    @classmethod
    def made(cls) -> Authority:
        ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        return cls(ca, ca.issue_cert(NAME, key_type=trustme.KeyType.ECDSA))

    def server(self, leaf: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (leaf or self.leaf).configure_cert(context)
        return context

    def client(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # and not the machine's authorities, which take 40 ms
        self.ca.configure_trust(context)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


def both(lan: Lan, server: Callable[[Any], Any], client: Callable[[Any], Any], **faults: Any) -> tuple[Any, Any]:
    """Run the two ends of a connection, each on its host, and end it; what they returned."""
    there, here = lan.host("server"), lan.host("client", **faults)
    listener = there.create_server(("", 443))

    def serve() -> Any:
        with listener:
            connection, _ = listener.accept()
        with connection:
            return server(connection)

    def ask() -> Any:
        with here.create_connection((there.ip, 443)) as connection:
            return client(connection)

    tasks = there.spawn(serve), here.spawn(ask)
    lan.run_until(lambda: all(task.done() for task in tasks))
    return tasks[0].result(), tasks[1].result()
