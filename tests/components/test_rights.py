"""`--user NAME`: root opens the wire, and is root no more."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys

import pytest

from components.command import Complaint
from components.rights import user_named, what_is_left
from tests.components.commands import CHECKOUT, environment

MAKE = "components.host.tap"
NOBODY = pwd.getpwnam("nobody")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no-such-user", "--user: there is no user no-such-user"),
        ("4294967294", "--user: there is no user 4294967294"),
        ("9" * 40, "--user: there is no user 9999"),
        ("", "--user: there is no user"),
        ("root", "--user: root keeps all rights"),
        ("0", "--user: 0 keeps all rights"),
    ],
)
def test_whom_one_cannot_become_is_told(name, says):
    with pytest.raises(Complaint, match=says):
        user_named(name)


def test_a_name_and_its_number_are_the_same_user():
    assert user_named("nobody") == user_named(str(NOBODY.pw_uid))


def test_what_somebody_else_may_do_is_too_much():
    wrong = user_named("nobody") if os.getuid() != NOBODY.pw_uid else user_named("daemon")
    assert what_is_left(wrong) == "another user's id"


def test_a_mistake_is_told_before_anything_is_opened(command, tmp_path):
    words = ("ping", "10.0.0.1", "-i", f"unix:{tmp_path}/lan", "--ip", "10.0.0.2/24")
    command(*words, "--user", "no-such-user").complains("--user: there is no user no-such-user")
    assert not (tmp_path / "lan").exists()


def rights(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status") as status:
        return dict(re.findall(r"^(Uid|Gid|Groups|Cap(?:Prm|Eff|Amb)):[ \t]*(.*?)[ \t]*$", status.read(), re.MULTILINE))


@pytest.fixture
def everybodys(tmp_path):
    """A directory that others reach and may write in, until the test ends."""
    above = [path for path in tmp_path.parents if path.stat().st_uid == os.getuid() and not path.stat().st_mode & 1]
    modes = [(path, path.stat().st_mode) for path in (tmp_path, *above)]
    for path, mode in modes:
        path.chmod(mode | 0o001)
    tmp_path.chmod(0o777)
    yield tmp_path
    for path, mode in modes:
        path.chmod(mode)


@pytest.mark.host
class TestAsRoot:
    def test_afterwards_there_are_no_rights_and_the_tap_still_works(self, command, start, namespace):
        assert command("--netns", namespace, module=MAKE).status == 0
        tap = ("ip", "netns", "exec", namespace)
        server = start("tcp_server", "--once", "-i", "tap0", "--user", "nobody", before=tap)
        server.until("Socket listening")
        uid, gid = NOBODY.pw_uid, NOBODY.pw_gid
        assert rights(server.process.pid) == {
            "Uid": "\t".join([str(uid)] * 4),
            "Gid": "\t".join([str(gid)] * 4),
            "Groups": "",
            **dict.fromkeys(("CapPrm", "CapEff", "CapAmb"), "0" * 16),
        }
        said = (
            "import socket; s = socket.create_connection(('192.168.5.100', 3333)); s.sendall(b'hi'); print(s.recv(9))"
        )
        asked = subprocess.run([*tap, sys.executable, "-c", said], capture_output=True, text=True, timeout=30)
        assert asked.stdout == "b'hi'\n", asked.stderr
        status, _, err = server.finish()
        assert (status, err) == (0, "")

    def test_files_and_sockets_are_the_users(self, command, everybodys):
        made = command(
            *("tcp_server", "-i", f"unix:{everybodys}/lan", "--ip", "10.0.0.1/24", "--timeout", "0.1"),
            *("--user", "nobody", "--pcapng", f"{everybodys}/x.pcapng"),
        )
        made.complains("no client has come", status=1)
        assert (everybodys / "x.pcapng").stat().st_uid == NOBODY.pw_uid
        assert not (everybodys / "lan").exists()

    def test_who_is_not_root_is_told(self, command):
        before = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        command("ping", "--user", "daemon", before=before).complains("--user: only root becomes daemon")

    def test_modules_that_the_user_may_not_read_are_there_already(self, tmp_path):
        hidden = tmp_path / "hidden"
        hidden.mkdir()
        for room in ("netif", "tapio", "stack", "components"):
            shutil.copytree(CHECKOUT / room, hidden / room, ignore=shutil.ignore_patterns("__pycache__"))
        hidden.chmod(0o700)
        line = [sys.executable, "-m", "netif", "ping", "--once", "--dhcp", "--user", "nobody"]
        line += ["-i", "impair(pair:, delay=1ms)", "--loss", "0.0001%", "-vv"]
        done = subprocess.run(
            line, env=environment(PYTHONPATH=str(hidden)), cwd=hidden, capture_output=True, text=True, timeout=30
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
