"""netif router: two LANs, each a path; and what cannot be understood."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from components.router import main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "required: WIRE=ADDRESS/LENGTH"),
        ("unix:/tmp/a", "write an interface as WIRE=ADDRESS/LENGTH"),
        ("=10.0.0.1/24", "write an interface as WIRE=ADDRESS/LENGTH"),
        ("unix:/tmp/a=10.0.0.1", "unix:/tmp/a=10.0.0.1: '10.0.0.1' has no prefix length: write it as in 10.0.0.1/24"),
        ("unix:/tmp/a=10.0.0.256/24", "'10.0.0.256' is not an IPv4 address"),
        ("unix:/tmp/a=10.0.0.0/24", "10.0.0.0 names 10.0.0.0/24 as a whole"),
        ("unix:/tmp/a=10.0.0.1/24 unix:/tmp/a=10.0.1.1/24", "unix:/tmp/a is said twice"),
        ("unix:/tmp/a=10.0.0.1/24 unix:/tmp/b=10.0.0.2/24", "unix:/tmp/a and unix:/tmp/b are both in 10.0.0.0/24"),
        ("unix:/tmp/a=10.0.0.1/24 --route 10.1.0.0/16", "--route 10.1.0.0/16: write a network and its gateway"),
        ("nix:/tmp/a=10.0.0.1/24", "there is no wire nix:"),
        ("unix:/tmp/a=10.0.0.1/24 --gw 10.0.9.1", "10.0.9.1 is in no subnet of the router's"),
        ("unix:/tmp/a=10.0.0.1/24 --gw gate", "'gate' is no address"),
        ("unix:/tmp/a=10.0.0.1/24 --route 10.1.0.0=far", "--route: 'far' is no address"),
        ("unix:/tmp/a=10.0.0.1/24 --route 10.1.0.1/8=10.0.0.2", "write a network and its gateway"),
        ("unix:/tmp/a=10.0.0.1/24 --napt unix:/tmp/b", "no such interface; there are unix:/tmp/a"),
        ("unix:/tmp/a=10.0.0.1/24 --map tcp:80=10.0.0.2", "10.0.0.2 is behind no --napt wire"),
        ("unix:/tmp/a=10.0.0.1/24 --map sctp:80=10.0.0.2", "write it as in tcp:8080=10.9.0.2:80"),
        ("unix:/tmp/a=10.0.0.1/24 --map tcp:0=10.0.0.2", "write it as in tcp:8080=10.9.0.2:80"),
        ("unix:/nowhere/a=10.0.0.1/24", "/nowhere"),
    ],
)
def test_a_mistake_is_one_line(words: str, says: str, capsys: pytest.CaptureFixture[str]):
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1


def test_a_ping_and_a_page_go_from_one_lan_to_another(command, start, tmp_path: Path):
    near, far = f"unix:{tmp_path}/near", f"unix:{tmp_path}/far"
    router = start("router", f"{near}=10.0.0.1/24", f"{far}=10.0.1.1/24", "--napt", near)
    router.until("routing for .*far")
    serving = start("http_server", "-i", far, "--ip", "10.0.1.2/24")  # it knows no way to the near LAN
    serving.until("http")
    here = ["-i", near, "--ip", "10.0.0.2/24", "--gw", "10.0.0.1"]
    assert command("ping", "10.0.1.2", "-c", "1", *here).status == 0
    page = command("http_get", "http://10.0.1.2/", *here)
    assert page.status == 0, page
    router.signal(signal.SIGINT)
    status, out, _ = router.finish()
    assert status == 130
    assert "frames" in out
