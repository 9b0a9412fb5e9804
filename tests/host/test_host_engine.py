"""`netif host`: what is promised of every recipe, shown on `isolated`; and records that cannot be followed."""

from __future__ import annotations

import json
import subprocess

import pytest

from components.host import main
from tests.host.namespaces import namespace
from tests.host.recipes import Machine

pytestmark = pytest.mark.host


@pytest.fixture
def machine(tmp_path):
    with namespace() as inside:
        yield Machine(inside, tmp_path / "state")


@pytest.fixture
def record(machine):
    """The path of a record that is there."""
    machine.perform("isolated", "tap0")
    return machine.state / f"isolated-tap0@{machine.namespace.name}.json"


def test_what_is_up_is_told(machine):
    machine.perform("isolated", "tap0", "--user", "1234")
    (said, *lines) = machine.perform("isolated", "tap0", "--status")
    assert said.startswith(f"isolated tap0: up in {machine.namespace.name}")
    assert lines[0] == f"  ip -n {machine.namespace.name} tuntap add dev tap0 mode tap user 1234"
    machine.perform("isolated", "tap0", "--down")
    assert machine.perform("isolated", "tap0", "--status") == ["isolated tap0: not up"]


def test_what_was_there_before_stays_when_it_goes_down(machine):
    machine.namespace.add_tap("tap0", "10.1.2.3/24")
    before = machine.kernels_state()
    assert machine.perform("isolated", "tap0", "--addr", "10.4.5.6/24")[0] == "tap0: address 10.4.5.6/24"
    machine.perform("isolated", "tap0", "--down")
    assert machine.kernels_state() == before


def test_a_later_run_adds_to_the_record_of_the_earlier(machine):
    before = machine.kernels_state()
    machine.perform("isolated", "tap0")
    machine.perform("isolated", "tap0", "--addr", "10.4.5.6/24")
    machine.perform("isolated", "tap0", "--down")
    assert machine.kernels_state() == before


def test_a_later_run_that_fails_leaves_what_the_earlier_did(machine):
    machine.perform("isolated", "tap0")
    between = machine.kernels_state()
    machine.refuses("isolated", "tap0", "--addr", "10.4.5.6/24", fail_before=0)
    assert machine.kernels_state() == between
    assert machine.perform("isolated", "tap0")[0] == "tap0: as asked, nothing to do"


def test_what_cannot_be_undone_is_told_and_kept_for_another_attempt(machine, record):
    plain = json.loads(record.read_text())
    lost = {"operation": "SetSysctl", "path": "net/no/such/thing", "value": "1"}
    plain["done"].insert(0, {"line": "sysctl -w net.no.such.thing=2", "undo": [lost], "at": 0.0})
    record.write_text(json.dumps(plain))
    assert "not undone: " in machine.refuses("isolated", "tap0", "--down")
    assert machine.namespace.exec("ip", "link", "show", "tap0", check=False).returncode  # the rest is undone
    assert len(json.loads(record.read_text())["done"]) == 1


def test_a_record_of_an_earlier_start_of_the_machine_is_put_aside(machine, record):
    plain = json.loads(record.read_text())
    plain["boot"] = "another"
    record.write_text(json.dumps(plain))
    assert "nothing to do" in machine.perform("isolated", "tap0", "--down")[0]
    assert machine.records() == []


def test_a_record_of_another_namespace_is_not_followed(machine, record):
    plain = json.loads(record.read_text())
    plain["namespace"] = "cookie 1"
    record.write_text(json.dumps(plain))
    before = record.read_text()
    for words in ((), ("--down",), ("--status",)):
        assert "tells of another network namespace" in machine.refuses("isolated", "tap0", *words)
    assert record.read_text() == before


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"recipe": "isolated"}', b"\xff\xfe"])
def test_a_damaged_record_is_not_followed(machine, record, damage):
    record.write_bytes(damage)
    assert f"the record {record}" in machine.refuses("isolated", "tap0", "--down")


def test_a_damaged_record_is_in_nobody_elses_way(machine, record):
    (machine.state / "nat-tap7.json").write_text("{")
    machine.perform("isolated", "tap0", "--down")
    assert machine.records() == ["nat-tap7.json"]


def test_the_list_tells_what_is_up_and_what_undoes_it(machine, record, capsys):
    (machine.state / "nat-tap7.json").write_text("{")
    assert main(["--state", str(machine.state)]) == 0
    told = capsys.readouterr().out
    undo = f"netif host isolated tap0 --netns {machine.namespace.name} --down"
    assert f"  isolated tap0 in {machine.namespace.name}: 3 changes; {undo}\n" in told
    assert "nat-tap7.json is damaged" in told


def test_an_operation_that_nobody_knows_is_not_followed(machine, record):
    record.write_text(record.read_text().replace("DeleteLink", "DeleteEverything"))
    assert "is damaged" in machine.refuses("isolated", "tap0", "--down")


def test_a_record_that_another_user_wrote_is_not_followed(machine, record):
    subprocess.run(["chown", "12345", record], check=True)
    assert "is not root's" in machine.refuses("isolated", "tap0", "--down")


def test_where_no_record_can_be_kept_nothing_is_done(machine, tmp_path):
    before = machine.kernels_state()
    machine.state.write_text("a file is in the way")
    machine.command("isolated", "tap0").complains(f"cannot keep records in {machine.state}.*--state DIR")
    machine.state.unlink()
    (machine.state / f"isolated-tap0@{machine.namespace.name}.part").mkdir(parents=True)
    assert "cannot write the record" in machine.refuses("isolated", "tap0")
    assert machine.kernels_state() == before


def test_what_another_recipe_needs_is_left_to_that_one(machine):
    before = machine.kernels_state()
    other = Machine(machine.namespace, machine.state)
    machine.perform("isolated", "tap0")
    (machine.state / f"isolated-tap0@{machine.namespace.name}.json").rename(
        machine.state / f"isolated-tap9@{machine.namespace.name}.json"
    )  # as if `tap9` had made what `tap0` finds
    other.perform("isolated", "tap0")
    said = machine.perform("isolated", "tap9", "--down")
    assert all("kept for isolated tap0" in line for line in said), said
    other.perform("isolated", "tap0", "--down")
    assert machine.kernels_state() == before
    assert machine.records() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("isolated", "a/b"), "'a/b' cannot name a device"),
        (("isolated", "--addr", "10.0.0.1"), "--addr 10.0.0.1 leaves no room for a host"),
        (("isolated", "--pool", "10.0.0.1-10.0.0.2"), "--pool and --own go with --dhcp"),
        (("isolated", "--dhcp", "--dns", "--own"), "--dns takes dnsmasq, not --own"),
        (("isolated", "--addr", "10.0.0.1/30", "--dhcp", "--own"), "10.0.0.0/30 has no address left for our own"),
        (("isolated", "--dhcp", "--pool", "10.0.0.1"), "--pool 10.0.0.1 should be two addresses"),
        (("isolated", "--dhcp", "--pool", "192.168.5.1-192.168.5.9"), "without 192.168.5.1"),
        (("isolated", "--user", "no-such-person"), "--user no-such-person: there is no such user"),
        (("isolated", "--up"), "unrecognized arguments: --up"),
    ],
)
def test_a_mistake_is_told_in_one_line(machine, words, says):
    told = machine.refuses(*words)
    assert says in told
    assert "\n" not in told
    assert machine.records() == []


def test_an_unknown_recipe_is_told_in_one_line(machine):
    machine.command("isolatd").complains("there is no recipe 'isolatd'; did you mean isolated")
