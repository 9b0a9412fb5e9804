"""Our TLS and the real thing: openssl's server and client, and curl, each again with the session of the first time."""

from __future__ import annotations

import random
import re
import ssl
import subprocess

import pytest

from stack.socket.tls import wrap
from tests.host.namespaces import wait_until
from tests.stack.socket.tls_ends import NAME, Authority

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"
VERSIONS = {"tls1_2": ssl.TLSVersion.TLSv1_2, "tls1_3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.made()


@pytest.fixture
def files(authority, tmp_path):
    """The authority's certificate, and the server's with its key, where programs find them."""
    authority.ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    return tmp_path


@pytest.mark.parametrize("version", VERSIONS)
def test_our_client_and_openssls_server(ns, join, authority, files, version):
    host = join()
    ns.start(
        "openssl", "s_server", "-accept", f"{KERNEL}:4433", "-cert", str(files / "server.pem"), f"-{version}",
        "-rev", "-naccept", "2", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: ":4433 " in ns.exec("ss", "-Htln").stdout, what="s_server's start")
    context = authority.client()
    session = None
    for reused in (False, True):
        plain = host.create_connection((KERNEL, 4433), timeout=10)
        with wrap(context, plain, server_hostname=NAME, session=session) as tls, tls.makefile("rb") as lines:
            assert tls.version() == VERSIONS[version].name.replace("_", ".")
            tls.sendall(b"drawer\n")
            assert lines.readline() == b"reward\n"
            assert tls.session_reused is reused
            session = tls.session
            tls.sendall(b"CLOSE\n")
            assert lines.read() == b""


@pytest.fixture
def serving(host, authority):
    """`serving(answer, count)`: a server of ours for `count` connections, which tells those that took up a session."""

    def start(answer, count):
        listener = wrap(authority.server(), host.create_server(("", 443)), server_side=True)
        listener.settimeout(10)

        def serve():
            taken_up = []
            with listener:
                for _ in range(count):
                    tls, _peer = listener.accept()
                    with tls, tls.makefile("rb") as lines:
                        request = lines.readline()
                        tls.sendall(answer(request))
                        taken_up.append(tls.session_reused)
            return taken_up

        return host.runtime.spawn(serve)

    return start


@pytest.mark.parametrize("version", VERSIONS)
def test_openssls_client_and_our_server(ns, serving, files, version):
    task = serving(bytes.upper, 2)
    said = []
    for sessions in ("-sess_out", "-sess_in"):
        client = ns.start(
            "openssl", "s_client", "-connect", f"{OURS}:443", "-servername", NAME, "-CAfile", str(files / "ca.pem"),
            "-verify_return_error", "-verify_hostname", NAME, f"-{version}", "-ign_eof",
            sessions, str(files / "session"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        said.append(client.communicate(b"shout\n", timeout=10)[0].decode())
    assert task.result(10) == [False, True]
    for each, word in zip(said, ("New", "Reused"), strict=True):
        assert re.search(rf"^{word}, {VERSIONS[version].name.replace('_', '.')}, ", each, re.MULTILINE)
        assert "\nSHOUT\n" in each
        assert "Verify return code: 0 (ok)" in each


def test_curl_and_our_server(ns, serving, files, seed):
    page = random.Random(seed).randbytes(2_000_000)
    head = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page)
    task = serving(lambda request: head + page, 2)
    urls = [f"https://{NAME}/{each}" for each in ("one", "two")]
    outputs = [word for each in ("one", "two") for word in ("-o", str(files / each))]
    ns.exec(
        "curl", "--silent", "--show-error", "--max-time", "10", "--cacert", str(files / "ca.pem"),
        "--resolve", f"{NAME}:443:{OURS}", *outputs, *urls,
    )  # fmt: skip
    assert (files / "one").read_bytes() == (files / "two").read_bytes() == page
    assert task.result(10) == [False, True]
