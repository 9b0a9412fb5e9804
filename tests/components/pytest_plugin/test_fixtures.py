"""What a project's tests get from the plugin, and what it says of one that fails."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tapio import frames_of

pytest_plugins = "pytester"
FAILING = """
def test_fails(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"no"
"""


def test_a_pair_and_a_lan_are_there_for_the_asking(project):
    project(
        """
        def test_pair(netif_pair):
            assert talk(netif_pair.client, netif_pair.server, netif_pair.lan) == b"hello"
            netif_pair.trace.expect("client > S", "server > S.")
            netif_pair.trace.never("R")

        def test_lan(netif_lan):
            server, client = netif_lan.host("server"), netif_lan.host("client", loss="5%")
            assert talk(client, server, netif_lan) == b"hello"

        def test_coroutine(netif_pair):
            import asyncio
            async def main():
                await asyncio.sleep(3600)
                return netif_pair.lan.now()
            assert netif_pair.run(main()) >= 3600
        """.replace("\n        ", "\n")
    ).assert_outcomes(passed=3)


def test_the_marker_says_how_they_are_made(project):
    project(
        """
        pytestmark = pytest.mark.netif(subnet="10.9.0.0/24", delay="50ms")

        @pytest.mark.netif(loss="10%", seed=3)
        def test_pair(netif_pair, netif_seed):
            assert netif_seed == 3
            assert netif_pair.server.ip == "10.9.0.1"
            assert talk(netif_pair.client, netif_pair.server, netif_pair.lan) == b"hello"
            assert netif_pair.lan.now() >= 0.2

        @pytest.mark.netif(clock="real", delay=0)
        def test_real(netif_lan):
            assert netif_lan.runtime.shared
            netif_lan.host("a")

        def test_everybody(netif_lan):
            assert talk(netif_lan.host("client"), netif_lan.host("server"), netif_lan) == b"hello"
            assert netif_lan.now() >= 0.4

        @pytest.mark.netif(los="10%")
        def test_misspelt(netif_pair):
            pass
        """.replace("\n        ", "\n")
    ).assert_outcomes(passed=3, errors=1)


def test_a_failure_says_its_seed_how_to_repeat_it_the_last_frames_and_the_capture(project, pytester):
    result = project(FAILING, "--netif-seed", "5", "--netif-artifacts", "kept")
    result.assert_outcomes(failed=1)
    said = result.stdout.str()
    assert "seed 5; to repeat: pytest test_it.py::test_fails --netif-seed 5\n" in said
    assert re.search(r"0\.000000 client\.\d+ > server\.7: S 0:0\(0\)", said)
    (capture,) = (pytester.path / "kept").iterdir()
    assert f"capture: {capture}" in said
    assert len(list(frames_of(capture))) == int(re.search(r"frames, (\d+) in all", said)[1])


def test_the_repeat_command_is_for_the_folder_where_pytest_was_started(pytester, run_plugin, monkeypatch):
    pytester.makeini("[pytest]\n")
    below = pytester.mkdir("sub")
    (below / "test_x.py").write_text("def test_fails(netif_pair):\n    assert False\n")
    monkeypatch.chdir(below)
    result = run_plugin("test_x.py")
    result.assert_outcomes(failed=1)
    assert "seed 0; to repeat: pytest test_x.py::test_fails --netif-seed 0\n" in result.stdout.str()
    repeated = run_plugin("test_x.py::test_fails", "--netif-seed", "0")
    repeated.assert_outcomes(failed=1)
    monkeypatch.chdir(pytester.path)
    assert "to repeat: pytest sub/test_x.py::test_fails --netif-seed 0\n" in run_plugin().stdout.str()


def test_what_is_repeated_is_the_same(project):
    def frames(*options):
        said = project(FAILING.replace("def", "@pytest.mark.netif(loss='30%')\ndef"), *options).stdout.str()
        return re.findall(r"^  \d+\.\d+ .*", said, re.MULTILINE)

    alone = frames("--netif-seed", "4")
    assert alone
    assert alone == frames("--netif-seed", "4")
    assert alone == frames("--netif-seed", "4", "--netif-seeds", "1")
    assert alone != frames("--netif-seed", "5")


def test_a_test_runs_under_many_seeds_and_its_name_says_which(project):
    source = """
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.netif(loss="20%")
def test_many(netif_pair, n, netif_seed):
    talk(netif_pair.client, netif_pair.server, netif_pair)
    assert netif_seed != 8 or n == 1

@pytest.mark.netif(seed=7)
def test_one(netif_lan):
    pass

def test_none():
    pass
"""
    result = project(source, "--netif-seed", "7", "--netif-seeds", "3", "-v")
    result.assert_outcomes(passed=7, failed=1)
    said = result.stdout.str()
    assert "test_many[2-seed8] FAILED" in said or "test_many[seed8-2] FAILED" in said
    assert "to repeat: pytest 'test_it.py::test_many[2]' --netif-seed 8\n" in said
    result = project(source, "test_it.py::test_many[2]", "--netif-seed", "8")
    result.assert_outcomes(failed=1)


def test_two_tests_do_not_throw_the_same_dice(project):
    project(
        "seen = []\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_dice(netif_lan, n):\n"
        "    seen.append(netif_lan.runtime.dice('x').random())\n"
        "    assert len(set(seen)) == n + 1\n"
    ).assert_outcomes(passed=4)


def test_captures_of_tests_that_pass_are_not_kept(project, pytester):
    project("def test_it(netif_lan):\n    netif_lan.host('a')\n" + FAILING, ini="netif_artifacts = kept")
    assert [path.name for path in (pytester.path / "kept").iterdir()] == ["test_it.py.test_fails.pcapng"]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(project):
    result = project(FAILING, "--netif-artifacts", "/proc/kept")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: --netif-artifacts /proc/kept: *: name a directory that can be made*"])


def test_what_the_crank_caught_fails_the_test_that_did_not_see_it(project):
    result = project(
        """
def test_crank(netif_lan):
    host = netif_lan.host("a")
    def handler(what, *_):
        if what == "drop":
            raise ZeroDivisionError("in the crank")
    host.stack.trace = handler
    netif_lan.host("b")  # whose announcement is none of its business
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    assert "ZeroDivisionError: in the crank" in result.stdout.str()


def test_a_fault_that_met_nothing_fails_the_test(project):
    result = project(
        "def test_unmet(netif_lan):\n    netif_lan.host('a')\n    netif_lan.drop('3rd SYN')\n"
        "def test_may_be(netif_lan):\n    netif_lan.host('a')\n    netif_lan.drop('3rd SYN', optional=True)\n"
        "def test_failed_before(netif_lan):\n    netif_lan.host('a')\n    netif_lan.drop('3rd SYN')\n    assert 0\n"
    )
    result.assert_outcomes(passed=2, errors=1, failed=1)
    assert "lan.drop('3rd SYN') met none of" in result.stdout.str()


def test_a_test_that_does_not_get_to_its_end_need_not_meet_its_faults(project, pytester):
    source = """
@pytest.mark.xfail
def test_expected(netif_lan):
    netif_lan.host("a")
    netif_lan.drop("3rd SYN")
    assert 0
def test_skipped(netif_lan):
    netif_lan.host("a")
    netif_lan.drop("3rd SYN")
    pytest.skip("not today")
"""
    project(source, "--netif-artifacts", "kept").assert_outcomes(xfailed=1, skipped=1)
    assert list((pytester.path / "kept").iterdir()) == []


def test_what_a_test_leaves_running_ends_with_it(project):
    project(
        """
import threading
def test_leaves(netif_pair):
    netif_pair.server.spawn(lambda: netif_pair.server.create_server(("", 7)).accept())
    netif_pair.run_for(1)
def test_after():
    assert threading.active_count() == 1
""",
        "-W",
        "ignore::ResourceWarning",
    ).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--netif-seeds", "0"), "--netif-seeds 0: at least 1"),
        (("--netif-driver", "pigeon"), "invalid choice: 'pigeon'"),
        (("--netif-seed", "x"), "invalid int value: 'x'"),
    ],
)
def test_options_that_make_no_sense_are_refused(project, options, said):
    result = project("def test_it():\n    pass\n", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


def test_both_fixtures_in_one_test_are_refused(project):
    result = project("def test_it(netif_lan, netif_pair):\n    pass\n")
    result.assert_outcomes(errors=1)
    assert "netif_lan or netif_pair, not both" in result.stdout.str()


def test_the_other_wire_of_the_same_test(project):
    source = """
def test_pair(netif_pair):
    assert talk(netif_pair.client, netif_pair.server, netif_pair) == b"hello"
    assert netif_pair.lan.runtime.shared
    netif_pair.trace.expect("client > S", "server > S.")
@pytest.mark.netif(clock="virtual")
def test_virtual(netif_pair):
    pass
"""
    result = project(source, "--netif-driver", "qemu", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert "--netif-driver qemu lives by a real clock" in result.stdout.str()


def test_a_wire_that_cannot_be_had_is_skipped_and_says_why(project, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = project("def test_it(netif_lan):\n    pass\n", "--netif-driver", "tap", "-rs")
    result.assert_outcomes(skipped=1)
    assert "--netif-driver tap: a tap wire makes a network namespace, which takes root" in result.stdout.str()


def test_captures_lie_where_pytest_keeps_its_own_folders(project, tmp_path):
    said = project(FAILING).stdout.str()
    assert Path(re.search(r"capture: (.*)", said)[1]).exists()
