"""http_server and http_get on a TAP, at an address from dnsmasq, with curl, ab, wrk and Python's own http.server."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import sys

import pytest

from components.http_pages import characters
from tests.host.namespaces import wait_until

pytestmark = pytest.mark.host

KERNEL, OURS = "192.168.5.1", "192.168.5.77"
HUNDRED_MB = 100_000_000


@pytest.fixture
def served(ns, netif, leases):
    """A running http_server at 192.168.5.77."""
    server = netif("http_server", "--dhcp")
    server.until(f"http://{OURS}:80/ and /big/N")
    ns.settle("tap0")
    return server


def curl(ns, *words: str, timeout: float = 60.0) -> str:
    return ns.exec("curl", "--silent", "--show-error", "--max-time", "60", *words, timeout=timeout).stdout


def digest(start: int, stop: int) -> str:
    whole = hashlib.sha256()
    for block in characters(start, stop):
        whole.update(block)
    return whole.hexdigest()


def test_curl_fetches_a_page_and_a_hundred_megabytes(ns, served, tmp_path):
    page = curl(ns, f"http://{OURS}/")
    assert "<h1>A host in Python</h1>" in page
    assert f"<td>{OURS}/24" in page
    path = tmp_path / "big"
    curl(ns, "-o", str(path), f"http://{OURS}/big/{HUNDRED_MB}")
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest(0, HUNDRED_MB)


def test_curl_fetches_a_part_and_goes_on_where_it_had_stopped(ns, served, tmp_path):
    path = tmp_path / "part"
    curl(ns, "-r", "1000-1999", "-o", str(path), f"http://{OURS}/big/1000000")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest(1000, 2000)
    curl(ns, "-r", "0-399999", "-o", str(path), f"http://{OURS}/big/1000000")
    curl(ns, "-C", "-", "-o", str(path), f"http://{OURS}/big/1000000")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest(0, 1_000_000)
    told = curl(ns, "-r", "5-", "-o", "/dev/null", "-w", "%{http_code}", f"http://{OURS}/big/5")
    assert told == "416"


def test_curl_keeps_its_connection_for_the_next_page(ns, served):
    url = f"http://{OURS}/big/1000"
    told = curl(ns, "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects};", url, url)
    assert told == "200 1;200 0;"
    told = curl(ns, "-I", "-w", "%{http_code} %{size_download};", url)
    assert re.search(r"(?i)content-length: 1000\n", told)
    assert told.endswith("200 0;")


@pytest.mark.parametrize("clients", [1, 10, 100])
def test_ab_finishes_without_an_error(ns, served, clients):
    """Each request on a connection of its own: HTTP/1.0 has no other way that h11 knows."""
    for words in ((), ("-k",)):
        count = max(100, 3 * clients)
        done = ns.exec("ab", "-q", "-s", "10", "-n", f"{count}", "-c", f"{clients}", *words, f"http://{OURS}/")
        told = dict(re.findall(r"^(.+?):\s+(\d+)", done.stdout, re.MULTILINE))
        assert (told["Complete requests"], told["Failed requests"]) == (f"{count}", "0"), done.stdout
        assert "Non-2xx" not in done.stdout


@pytest.mark.parametrize("words", [(), ("-H", "Connection: close")], ids=["keep-alive", "close"])
@pytest.mark.parametrize("clients", [1, 10, 100])
def test_wrk_finishes_without_an_error(ns, served, clients, words):
    threads = f"-t{min(2, clients)}"
    done = ns.exec("wrk", threads, f"-c{clients}", "-d1s", "--timeout", "10s", *words, f"http://{OURS}/big/1000")
    assert "Socket errors" not in done.stdout
    assert "Non-2xx" not in done.stdout
    assert int(re.search(r"(\d+) requests in", done.stdout)[1]) >= clients


def test_http_get_fetches_from_pythons_own_server(ns, netif, tmp_path, seed):
    page = random.Random(seed).randbytes(3_000_000)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "page").write_bytes(page)
    words = ("-m", "http.server", "80", "--directory", str(tmp_path))
    ns.start(sys.executable, *words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: ":80 " in ns.exec("ss", "-Htln").stdout, what="http.server's start")
    got = tmp_path / "got"
    fetched = netif("http_get", f"http://{KERNEL}/folder/page", "-o", str(got))
    status, out, err = fetched.finish()
    assert (status, err) == (0, "")
    assert got.read_bytes() == page
    listed = netif("http_get", f"http://{KERNEL}/folder")  # it redirects to /folder/
    status, out, err = listed.finish()
    assert status == 0
    assert re.fullmatch(rf"I \(\d+\) http_get: 301: on to http://{KERNEL}/folder/\n", err)
    assert 'href="page"' in out
    missing = netif("http_get", f"http://{KERNEL}/nix")
    status, out, err = missing.finish()
    assert (status, out) == (1, "")
    assert re.fullmatch(rf"netif: http://{KERNEL}/nix: the server says 404 [^\n]*\n", err)
