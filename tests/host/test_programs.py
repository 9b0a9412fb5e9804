"""Programs of the kernel's side and ours, talking: http.server, curl, nc."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys

import pytest

from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.100"


def listening(ns, port: int) -> bool:
    return f":{port} " in ns.exec("ss", "-Htln").stdout


def test_our_socket_gets_a_page_from_the_kernels_http_server(ns, host, tmp_path, seed):
    page = random.Random(seed).randbytes(3_000_000)
    (tmp_path / "page").write_bytes(page)
    ns.start(sys.executable, "-m", "http.server", "8000", "--directory", str(tmp_path), stderr=subprocess.DEVNULL)
    wait_until(lambda: listening(ns, 8000), what="http.server's start")
    with host.create_connection((KERNEL, 8000), timeout=10) as s:
        s.sendall(b"GET /page HTTP/1.0\r\nHost: kernel\r\n\r\n")
        answer = b""
        while part := s.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ")
    assert body == page


def test_curl_fetches_from_a_ten_line_responder_of_ours(ns, host, tmp_path, seed):
    page = random.Random(seed).randbytes(3_000_000)

    def respond(listener) -> None:
        while True:
            connection, _peer = listener.accept()
            with connection:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += connection.recv(4096)
                if request.startswith(b"GET /last "):
                    return
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page)

    with host.create_server(("", 80)) as listener:
        task = host.runtime.spawn(lambda: respond(listener))
        for number in range(3):
            fetched = tmp_path / f"page{number}"
            ns.exec("curl", "--silent", "--show-error", "--max-time", "10", "-o", str(fetched), f"http://{OURS}/page")
            assert fetched.read_bytes() == page
        ns.exec("curl", "--silent", "--max-time", "10", f"http://{OURS}/last", check=False)  # an empty reply: exit 52
        task.result(10)


def test_nc_sends_us_its_input_and_prints_what_we_answer(ns, host):
    text = b"".join(b"line %d\n" % number for number in range(5000))
    with host.create_server(("", 7)) as listener:
        nc = ns.start("nc", "-N", OURS, "7", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        connection, _peer = listener.accept()
        with connection:
            writing = host.runtime.spawn(lambda: nc.communicate(text, timeout=10)[0])
            got = b""
            while part := connection.recv(65536):
                got += part
            assert got == text
            connection.sendall(got.upper())
        assert writing.result(10) == text.upper()
    assert nc.returncode == 0


def test_we_send_to_an_nc_that_listens_and_read_what_it_says(ns, host):
    nc = ns.start("nc", "-N", "-l", KERNEL, "7006", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_until(lambda: listening(ns, 7006), what="nc's start")
    with host.create_connection((KERNEL, 7006), timeout=10) as s:
        s.sendall(b"hello, nc\n")
        assert nc.stdout.readline() == b"hello, nc\n"
        nc.stdin.write(b"hello, host\n")
        nc.stdin.close()
        assert s.recv(100) == b"hello, host\n"
        assert s.recv(100) == b""
        s.shutdown(socket.SHUT_WR)
        assert nc.wait(10) == 0


def test_nc_over_udp(ns, host):
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(10)
        s.bind((OURS, 7))
        nc = ns.start("nc", "-u", OURS, "7", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.write(nc.stdin.fileno(), b"one datagram\n")
        data, peer = s.recvfrom(2000)
        assert data == b"one datagram\n"
        s.sendto(b"and one back\n", peer)
        assert nc.stdout.readline() == b"and one back\n"
