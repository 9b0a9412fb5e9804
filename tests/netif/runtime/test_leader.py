"""Leader and followers, rule by rule: a scripted scheduler decides who runs, and when time-outs come."""

from __future__ import annotations

import random
import threading
from collections import deque

import pytest

from netif.runtime import ThreadedRuntime
from netif.runtime.threaded import Tenure
from tests.netif.runtime.scripted import Machine
from tests.netif.runtime.toys import Driver, Host, Nic, two_hosts

BACKGROUND = "netif background"
THREADS = ("serve", "ask", "wait")


class WireWithDescriptor(Driver):
    """Its descriptor is a number that only the scripted poller knows."""

    def __init__(self, machine, fd=7):
        self.machine, self.fd = machine, fd
        self.inbox = []

    def fileno(self):
        return self.fd

    def receive(self):
        if not self.inbox:
            return None
        frame = self.inbox.pop(0)
        if not self.inbox:
            self.machine.poller.events.pop(self.fd, None)
        return frame, None

    def arrives(self, *frames):
        self.inbox.extend(frames)
        self.machine.poller.events[self.fd] = 1


class Scene:
    """A runtime with one host on a wire with descriptor; its threads run when told."""

    def __init__(self, fine=False):
        self.machine = Machine(fine)
        self.runtime = ThreadedRuntime(
            clock=self.machine.clock, poller=self.machine.new_poller, new_lock=self.machine.new_lock
        )
        self.host = Host("anna", self.runtime)
        self.wire = WireWithDescriptor(self.machine)
        Nic(self.host, self.wire)
        self.machine.await_stop(BACKGROUND)
        self.machine.run(BACKGROUND)

    @property
    def poller(self):
        return self.machine.poller

    def reader(self, name, box, timeout=None):
        self.machine.start(name, lambda: self.host.get(box, timeout))

    def leading_reader(self, name, box, timeout=None):
        """A reader that leads; the background thread sleeps behind it."""
        self.reader(name, box, timeout)
        self.leading_strand(name)

    def leading_strand(self, name):
        self.machine.run(name)
        if self.machine.where(name) == "lock":  # it has poked the background thread, and follows
            self.machine.run(BACKGROUND)
            self.machine.run(name)
        assert self.machine.where(name) == "poll"
        if self.machine.where(BACKGROUND) == "lock" and self.machine.timeout(BACKGROUND) is not None:
            self.machine.expire(BACKGROUND)
            while self.machine.timeout(BACKGROUND) is not None:
                self.machine.expire(BACKGROUND)

    def follower_waits_in_vain(self):
        """A leader stays away, so that a follower has to wait for the background thread to hand it the lead."""
        self.leading_reader("X", "x")
        self.reader("Y", "y")
        self.machine.run("Y")
        self.wire.arrives(b"x:left")
        self.machine.run("X")
        self.machine.run(BACKGROUND)
        while not self.machine.can_run("Y"):
            self.machine.expire(BACKGROUND)
        self.machine.run("Y")
        self.wire.arrives(b"y:left")
        self.machine.run("Y")

    def deliver(self, box, text="x"):
        """An application call that makes a reader ready."""
        self.host.under_gate(lambda: self.host.deliver(box, text))

    def result(self, name):
        assert self.machine.where(name) == "ended", self.machine.where(name)
        return self.machine.strands[name].result

    def end(self):
        self.machine.end()
        self.runtime.close()


@pytest.fixture
def scene():
    scene = Scene()
    yield scene
    scene.end()


def test_at_first_the_background_thread_leads_without_time_out(scene):
    assert scene.machine.where(BACKGROUND) == "poll"
    assert scene.machine.timeout(BACKGROUND) is None


def test_a_caller_that_finds_it_leading_pokes_it_and_follows_until_handed_the_lead(scene):
    scene.reader("C", "in")
    scene.machine.run("C")
    assert scene.machine.where("C") == "lock"
    assert scene.poller.wakes == 1
    scene.machine.run(BACKGROUND)
    assert scene.machine.where(BACKGROUND) == "lock"
    scene.machine.run("C")
    assert scene.machine.where("C") == "poll"


def test_the_background_thread_takes_no_turn_when_somebody_wants_to_lead(scene):
    scene.reader("C", "in")
    scene.machine.run("C")
    scene.wire.arrives(b"in:hello")
    scene.machine.run(BACKGROUND)
    assert scene.host.nic.seen == []
    scene.machine.run("C")
    scene.machine.run_while_it_can("C")
    assert scene.result("C") == "hello"


def test_a_caller_leads_at_once_where_the_background_thread_has_left_its_poll_already(scene):
    scene.runtime.enter()  # the test holds the gate
    scene.wire.arrives(b"other:x")
    scene.machine.run(BACKGROUND)
    assert scene.machine.where(BACKGROUND) == "lock"
    scene.host.boxes.clear()
    waiter = scene.runtime.waiter("get", scene.host)
    scene.wire.arrives(b"other:y")
    scene.runtime.wait(waiter, scene.machine.now)
    scene.runtime.leave()
    assert scene.poller.wakes == 0


def test_what_was_posted_is_handled_though_whoever_posted_it_leads_at_once(scene):
    handled = threading.Event()
    pause = scene.machine.new_lock()
    pause.acquire()

    def post_and_wait():
        runtime = scene.runtime
        runtime.enter()
        runtime.post(handled.set)
        pause.acquire()
        runtime.wait(runtime.waiter("get", scene.host), scene.machine.now + 1)
        runtime.leave()

    scene.machine.start("C", post_and_wait)
    scene.machine.run("C")
    scene.machine.run(BACKGROUND)  # it was poked, and cannot have the gate
    assert scene.machine.where(BACKGROUND) == "lock"
    pause.release()
    scene.machine.run("C")
    assert scene.machine.where("C") == "poll"
    assert handled.wait(5)


def test_a_caller_that_leads_while_the_background_thread_starts_handlers_polls_alone(scene):
    machine = scene.machine

    def post_in_the_turn(name, text):
        scene.host.on_frame = None
        scene.runtime.post(lambda: None)
        machine.stop("inside", lambda: True)

    scene.host.on_frame = post_in_the_turn
    scene.wire.arrives(b"other:x")
    machine.run(BACKGROUND)
    assert machine.where(BACKGROUND) == "inside"
    scene.reader("C", "in")
    machine.run("C")
    machine.expire("C")  # it has run out of patience: the gate will be handed to it
    machine.run(BACKGROUND)
    assert machine.where(BACKGROUND) == "lock"
    machine.run("C")
    assert machine.where("C") == "poll"
    machine.run(BACKGROUND)
    assert machine.where(BACKGROUND) == "lock"
    scene.wire.arrives(b"in:hello")
    machine.run_while_it_can("C")
    assert scene.result("C") == "hello"


def test_one_leads_and_the_others_follow(scene):
    scene.leading_reader("A", "a")
    for name in ("B", "C"):
        scene.reader(name, name)
        scene.machine.run(name)
        assert scene.machine.where(name) == "lock"
    assert scene.machine.where("A") == "poll"


def test_a_frame_releases_the_follower_it_is_for_and_the_leader_goes_on(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    scene.reader("B", "b")
    scene.machine.run("B")
    scene.wire.arrives(b"b:hello")
    scene.machine.run("A")
    assert scene.machine.where("A") == "poll"
    scene.machine.run("B")
    assert scene.result("B") == "hello"


def test_a_leader_that_leaves_is_expected_back_and_leads_again_without_waking_anybody(scene):
    scene.leading_reader("A", "a")
    scene.reader("B", "b")
    scene.machine.run("B")
    for n in range(3):
        scene.wire.arrives(b"a:hello")
        scene.machine.run("A")
        assert not scene.machine.can_run("B")
        scene.reader("A", "a")
        scene.machine.run("A")
        assert scene.machine.where("A") == "poll", n


def test_where_it_stays_away_the_background_thread_hands_a_follower_the_lead(scene):
    scene.leading_reader("A", "a")
    for name in ("B", "C"):
        scene.reader(name, name)
        scene.machine.run(name)
    scene.wire.arrives(b"a:hello")
    scene.machine.run("A")
    scene.machine.run(BACKGROUND)
    assert scene.machine.timeout(BACKGROUND) == pytest.approx(0.002)
    while not scene.machine.can_run("B"):
        scene.machine.expire(BACKGROUND)
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    assert not scene.machine.can_run("C")


def test_a_leader_leaves_the_lead_to_the_follower_that_it_serves(scene):
    scene.leading_reader("A", "a")
    scene.machine.start("B", lambda: [scene.host.get("b", None) for _ in range(3)])
    scene.machine.run("B")
    assert scene.machine.where("B") == "lock"
    scene.wire.arrives(b"b:hello")
    scene.machine.run("A")
    assert scene.machine.where("A") == "lock"
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    scene.wire.arrives(b"b:hello")
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    assert not scene.machine.can_run("A")


def test_one_that_found_nobody_leading_leaves_the_lead_all_the_same(scene):
    scene.leading_reader("X", "x")
    scene.wire.arrives(b"x:hello")
    scene.machine.run("X")
    scene.reader("A", "a")
    scene.machine.run("A")
    assert scene.machine.where("A") == "poll"
    scene.reader("B", "b")
    scene.machine.run("B")
    scene.wire.arrives(b"b:hello")
    scene.machine.run("A")
    assert scene.machine.where("A") == "lock"
    scene.machine.run("B")
    assert scene.result("B") == "hello"


def test_a_leader_is_not_moved_by_those_whom_other_threads_serve(scene):
    scene.leading_reader("A", "a")
    scene.reader("B", "b")
    scene.machine.run("B")
    scene.deliver("b", "hello")
    scene.wire.arrives(b"nobody:hello")
    scene.machine.run("A")
    assert scene.machine.where("A") == "poll"


def test_a_leader_leaves_nothing_to_who_only_passes_time(scene):
    scene.leading_reader("A", "a")
    scene.machine.start("run", lambda: scene.runtime.run_until(lambda: False, timeout=1000.0))
    scene.machine.run("run")
    scene.wire.arrives(b"nobody:hello")
    scene.machine.run("A")
    assert scene.machine.where("A") == "poll"


def test_once_somebody_stayed_away_a_leader_goes_on_leading_until_enough_came_back_in_time(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    scene.machine.start("B", lambda: [scene.host.get("b", None) for _ in range(100)])
    scene.machine.run("B")
    served = 0
    while scene.machine.where("A") == "poll":
        scene.wire.arrives(b"b:hello")
        scene.machine.run("A")
        scene.machine.run("B")
        served += 1
    assert scene.machine.where("B") == "poll"
    assert served == 17


def test_whoever_was_held_up_while_nothing_came_is_expected_back_all_the_same(scene):
    scene.leading_reader("A", "a")
    scene.reader("B", "b")
    scene.machine.run("B")
    scene.wire.arrives(b"a:hello")
    scene.machine.run("A")
    scene.machine.run(BACKGROUND)
    while not scene.machine.can_run("B"):
        scene.machine.expire(BACKGROUND)
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    scene.machine.start("A again", lambda: [scene.host.get("a", None) for _ in range(2)])
    scene.machine.run("A again")
    scene.wire.arrives(b"a:hello")
    scene.machine.run("B")
    assert scene.machine.where("B") == "lock"
    scene.machine.run("A again")
    assert scene.machine.where("A again") == "poll"


def test_whoever_had_to_wait_for_others_before_it_went_on_is_in_time_all_the_same(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    for name in ("B", "C"):
        scene.machine.start(name, lambda box=name: [scene.host.get(box, None) for _ in range(100)])
        scene.machine.run(name)
    rounds = 0
    while scene.machine.where("A") == "poll" and rounds < 50:
        scene.wire.arrives(b"B:hello", b"C:hello")
        scene.machine.run("A")
        scene.machine.run("B")
        scene.machine.now += 0.0015
        scene.machine.run("C")
        rounds += 1
    assert rounds == 9  # two a round; those of the ninth find nobody who leads


class TestNobodyElse:
    """A server whose other threads sleep in a selector: nobody follows."""

    def waited_in_vain(self, scene):
        """A leader stays away, so that a frame has to wait for the background thread."""
        scene.leading_reader("X", "x")
        scene.wire.arrives(b"x:left")
        scene.machine.run("X")
        scene.machine.run(BACKGROUND)
        scene.wire.arrives(b"y:hello")
        while scene.machine.where(BACKGROUND) == "lock":
            assert scene.host.box("y").items == deque()
            scene.machine.expire(BACKGROUND)
        assert list(scene.host.box("y").items) == ["hello"]

    def test_once_a_frame_waited_in_vain_the_background_thread_leads_as_soon_as_a_leader_leaves(self, scene):
        self.waited_in_vain(scene)
        scene.leading_reader("A", "a")
        scene.wire.arrives(b"a:hello")
        scene.machine.run("A")
        scene.machine.run(BACKGROUND)
        assert scene.machine.where(BACKGROUND) == "poll"
        assert scene.machine.timeout(BACKGROUND) is None

    def test_until_enough_came_back_in_time(self, scene):
        self.waited_in_vain(scene)
        scene.machine.start("A", lambda: [scene.host.get("a", None) for _ in range(100)])
        scene.leading_strand("A")
        in_time = 0
        while not scene.runtime._tenure.expects_back:
            scene.wire.arrives(b"a:hello")
            scene.machine.run("A")
            in_time += 1
        assert in_time == 16

    def test_a_frame_that_comes_once_the_background_thread_leads_is_no_mistake(self, scene):
        scene.leading_reader("X", "x")
        scene.wire.arrives(b"x:left")
        scene.machine.run("X")
        scene.machine.run(BACKGROUND)
        while scene.machine.where(BACKGROUND) == "lock":
            scene.machine.expire(BACKGROUND)
        scene.wire.arrives(b"y:hello")
        scene.machine.run(BACKGROUND)
        scene.leading_reader("A", "a")
        scene.wire.arrives(b"a:hello")
        scene.machine.run("A")
        scene.machine.run(BACKGROUND)
        assert scene.machine.timeout(BACKGROUND) == pytest.approx(0.002)


def test_each_mistake_doubles_the_proof_and_each_second_without_one_halves_it():
    tenure = Tenure()
    proofs = []
    for now in (100.0, 100.1, 100.2, 100.3, 102.5, 200.0):
        tenure.stayed_away(now)
        assert not tenure.expects_back
        proofs.append(tenure.proof)
    assert proofs == [16, 32, 64, 128, 64, 16]


def test_a_leader_that_leaves_hands_the_lead_to_who_has_slept_longest(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    for name in ("B", "C"):
        scene.reader(name, name)
        scene.machine.run(name)
    scene.wire.arrives(b"a:hello")
    scene.machine.run("A")
    assert scene.result("A") == "hello"
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    assert not scene.machine.can_run("C")


def test_whoever_calls_before_the_new_leader_is_awake_follows(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    scene.reader("B", "b")
    scene.machine.run("B")
    scene.wire.arrives(b"a:hello")
    scene.machine.run("A")
    scene.reader("C", "c")
    scene.machine.run("C")
    assert scene.machine.where("C") == "lock"
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"


def test_a_follower_whose_time_is_up_as_it_is_handed_the_lead_passes_it_on(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a")
    scene.reader("B", "b", timeout=1.0)
    scene.reader("C", "c")
    for name in ("B", "C"):
        scene.machine.run(name)
    scene.machine.now += 2.0  # its time is up, but it has not run yet
    scene.wire.arrives(b"a:hello")
    scene.machine.run("A")
    scene.machine.run("B")
    assert scene.result("B") is None
    scene.machine.run("C")
    assert scene.machine.where("C") == "poll"


def test_a_leader_with_a_deadline_leaves_when_it_comes(scene):
    scene.follower_waits_in_vain()
    scene.leading_reader("A", "a", timeout=3.0)
    scene.reader("B", "b")
    scene.machine.run("B")
    assert scene.machine.timeout("A") == pytest.approx(3.0)
    scene.machine.expire("A")
    assert scene.result("A") is None
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"


def test_the_background_thread_sleeps_without_time_out_while_somebody_leads(scene):
    scene.leading_reader("A", "a")
    assert scene.machine.where(BACKGROUND) == "lock"
    assert scene.machine.timeout(BACKGROUND) is None


def test_the_leaver_wakes_it_once_and_it_dozes_while_turns_go_on(scene):
    scene.leading_reader("A", "a")
    scene.wire.arrives(b"a:x")
    scene.machine.run("A")
    assert scene.machine.can_run(BACKGROUND)
    scene.machine.run(BACKGROUND)
    for n in range(5):  # calls that lead and leave do not wake it again
        assert scene.machine.where(BACKGROUND) == "lock"
        assert scene.machine.timeout(BACKGROUND) == pytest.approx(0.002)
        assert not scene.machine.can_run(BACKGROUND)
        scene.reader(f"R{n}", f"r{n}")
        scene.machine.run(f"R{n}")
        assert scene.machine.where(f"R{n}") == "poll"
        scene.wire.arrives(f"r{n}:x".encode())
        scene.machine.run(f"R{n}")
        scene.machine.expire(BACKGROUND)
    scene.machine.expire(BACKGROUND)
    assert scene.machine.where(BACKGROUND) == "poll"


def test_it_lies_down_where_one_caller_leads_for_long(scene):
    scene.leading_reader("A", "a")
    scene.wire.arrives(b"a:x")
    scene.machine.run("A")
    scene.machine.run(BACKGROUND)
    scene.reader("B", "b")
    scene.machine.run("B")
    assert scene.machine.where("B") == "poll"
    scene.machine.expire(BACKGROUND)
    assert scene.machine.timeout(BACKGROUND) == pytest.approx(0.002)
    scene.machine.expire(BACKGROUND)
    assert scene.machine.timeout(BACKGROUND) is None


def test_idle_means_no_wake_up_at_all(scene):
    polls = scene.poller.polls
    assert scene.machine.timeout(BACKGROUND) is None
    assert not scene.machine.can_run(BACKGROUND)
    assert scene.poller.polls == polls


def test_it_dozes_longer_while_callers_lead_in_quick_succession(scene):
    scene.leading_reader("A", "a")
    scene.wire.arrives(b"a:x")
    scene.machine.run("A")
    scene.machine.run(BACKGROUND)

    steps = []
    for times in (4, 8, 16, 16, 3, 1):
        for _ in range(times):
            name = f"R{len(scene.machine.strands)}"
            scene.wire.arrives(b"again:x")
            scene.reader(name, "again")
            scene.machine.run_while_it_can(name)
        scene.machine.expire(BACKGROUND)
        steps.append(scene.machine.timeout(BACKGROUND))
    assert steps == pytest.approx([0.004, 0.008, 0.008, 0.008, 0.002, 0.002])
    scene.machine.expire(BACKGROUND)
    assert scene.machine.where(BACKGROUND) == "poll"


def test_a_background_thread_that_was_late_itself_looks_once_more_before_it_leads(scene):
    scene.leading_reader("A", "a")
    scene.wire.arrives(b"a:x")
    scene.machine.run("A")
    scene.machine.run(BACKGROUND)
    for _ in range(2):
        assert scene.machine.timeout(BACKGROUND) == pytest.approx(0.002)
        scene.machine.now += 0.01  # the machine is busy: others have been held up as well
        scene.machine.expire(BACKGROUND)
    assert scene.machine.where(BACKGROUND) == "poll"


class TestChain:
    """Those whom one turn has made ready go on one after the other."""

    def followers(self, scene, *names, times=1):
        for name in names:
            box = name.lower()
            scene.machine.start(name, lambda box=box: [scene.host.get(box, None) for _ in range(times)])
            scene.machine.run(name)
            assert scene.machine.where(name) == "lock"

    def able(self, scene, names="ABCD"):
        return "".join(name for name in names if scene.machine.can_run(name))

    def test_each_is_let_go_as_the_one_before_leaves_the_gate(self, scene):
        scene.leading_reader("A", "a")
        self.followers(scene, "B", "C", "D")
        scene.wire.arrives(b"c:x", b"b:x", b"d:x")
        scene.machine.run("A")
        for name in "CBD":
            assert self.able(scene) == name
            scene.machine.run(name)
            assert scene.result(name) == ["x"]

    def test_who_goes_on_where_it_left_lets_the_next_go_too(self, scene):
        scene.leading_reader("A", "a")
        self.followers(scene, "B", "C")
        scene.wire.arrives(b"a:x", b"b:x", b"c:x")
        scene.machine.run("A")
        assert scene.result("A") == "x"
        assert self.able(scene, "BC") == "B"

    def test_the_last_of_them_leads(self, scene):
        scene.leading_reader("A", "a")
        self.followers(scene, "B", "C", "D", times=2)
        scene.wire.arrives(b"b:x", b"c:x", b"d:x")
        scene.machine.run("A")
        for name, where, after in (("B", "lock", "C"), ("C", "lock", "D"), ("D", "poll", "")):
            scene.machine.run(name)
            assert scene.machine.where(name) == where
            assert self.able(scene) == after

    def test_one_whose_time_out_came_meanwhile_holds_up_nobody(self, scene):
        scene.leading_reader("A", "a")
        self.followers(scene, "B")
        scene.reader("C", "c", timeout=1.0)
        scene.machine.run("C")
        self.followers(scene, "D")
        scene.wire.arrives(b"b:x", b"c:x", b"d:x")
        scene.machine.run("A")
        scene.machine.expire("C")
        assert scene.result("C") == "x"
        scene.machine.run("B")
        assert self.able(scene, "BD") == "D"
        scene.machine.run("D")
        assert scene.result("D") == ["x"]

    def test_threads_that_serve_one_another_leave_the_descriptors_to_nobody_for_long(self, scene):
        host, polls = scene.host, scene.poller.polls

        def serve():
            while True:
                text = host.get("ping")
                host.under_gate(lambda text=text: host.deliver("pong", text))

        def ask():
            for n in range(100):
                host.under_gate(lambda n=n: host.deliver("ping", str(n)))
                host.get("pong")
            return "asked"

        scene.machine.start("serve", serve)
        scene.machine.run("serve")
        scene.machine.run(BACKGROUND)
        scene.machine.start("ask", ask)
        scene.machine.run_while_it_can("serve", "ask")
        assert scene.result("ask") == "asked"
        assert 100 / 32 <= scene.poller.polls - polls <= 30


class TestPokes:
    def test_a_deadline_that_moves_earlier(self, scene):
        scene.host.after(5.0, lambda: None)
        scene.leading_reader("A", "a")
        assert scene.machine.timeout("A") == pytest.approx(5.0)
        before = scene.poller.wakes
        scene.host.after(1.0, lambda: None)
        assert scene.poller.wakes == before + 1
        scene.machine.run("A")
        assert scene.machine.timeout("A") == pytest.approx(1.0)

    def test_a_later_deadline_does_not(self, scene):
        scene.host.after(5.0, lambda: None)
        scene.leading_reader("A", "a")
        before = scene.poller.wakes
        scene.host.after(7.0, lambda: None)
        assert scene.poller.wakes == before
        assert not scene.machine.can_run("A")

    def test_a_deadline_that_goes_and_comes_back_does_not(self, scene):
        """As a delayed ACK's does with each segment: the leader may wake once for nothing, but is not poked."""
        scene.host.after(1.0, lambda: None)
        scene.leading_reader("A", "a")
        scene.host.under_gate(lambda: (scene.host.timers.clear(), scene.runtime.touch(scene.host)))
        scene.wire.arrives(b"b:x")
        scene.machine.run("A")
        before = scene.poller.wakes
        scene.host.after(1.0, lambda: None)
        assert scene.poller.wakes == before
        scene.host.under_gate(lambda: (scene.host.timers.clear(), scene.runtime.touch(scene.host)))
        scene.machine.expire("A")
        assert scene.machine.timeout("A") is None

    def test_a_deadline_asked_for_by_a_driver(self, scene):
        scene.leading_reader("A", "a")
        before = scene.poller.wakes
        called = []
        scene.wire.advance = called.append
        scene.host.under_gate(lambda: scene.wire.port.call_at(scene.machine.now + 1.0))
        assert scene.poller.wakes == before + 1
        scene.machine.run("A")
        scene.machine.expire("A")
        assert called == [scene.machine.now]

    def test_nobody_is_poked_twice_for_one_sleep(self, scene):
        scene.leading_reader("A", "a")
        before = scene.poller.wakes
        for after in (5.0, 4.0, 3.0):
            scene.host.after(after, lambda: None)
        assert scene.poller.wakes == before + 1

    def test_the_leaders_own_waiter_made_ready_by_another_thread(self, scene):
        scene.leading_reader("A", "a")
        before = scene.poller.wakes
        scene.deliver("a", "hello")
        assert scene.poller.wakes == before + 1
        scene.machine.run("A")
        assert scene.result("A") == "hello"

    def test_a_follower_made_ready_needs_no_poke(self, scene):
        scene.leading_reader("A", "a")
        scene.reader("B", "b")
        scene.machine.run("B")
        before = scene.poller.wakes
        scene.deliver("b", "hello")
        assert scene.poller.wakes == before
        scene.machine.run("B")
        assert scene.result("B") == "hello"
        assert not scene.machine.can_run("A")

    def test_work_left_over_after_the_rounds_of_a_call(self, scene):
        scene.leading_reader("A", "a")
        anna, bert = two_hosts(scene.runtime)
        scene.machine.run_while_it_can("A")

        def answer(host):
            return lambda name, text: int(text) and host.outbox.append(f"x:{int(text) - 1}".encode())

        anna.on_frame, bert.on_frame = answer(anna), answer(bert)
        before = scene.poller.wakes
        anna.send("x", "30")
        assert len(anna.nic.seen) + len(bert.nic.seen) < 31
        assert scene.poller.wakes == before + 1
        scene.machine.run_while_it_can("A")
        assert len(anna.nic.seen) + len(bert.nic.seen) == 31

    def test_a_call_that_leaves_nothing_behind_pokes_nobody(self, scene):
        scene.leading_reader("A", "a")
        anna, bert = two_hosts(scene.runtime)
        scene.machine.run_while_it_can("A")
        before = scene.poller.wakes
        anna.send("x", "hello")
        assert bert.nic.seen == [b"x:hello"]
        assert scene.poller.wakes == before

    def test_a_frame_pushed_without_the_gate(self, scene):
        scene.leading_reader("A", "a")
        scene.wire.inbox.append(b"a:pushed")
        scene.wire.port.poke()
        scene.machine.run("A")
        assert scene.result("A") == "pushed"


class TestWalks:
    """The two walks through the contract, step by step."""

    def test_a_connect_on_a_wire_with_descriptor(self, scene):
        machine, wire, host = scene.machine, scene.wire, scene.host
        sent = []
        wire.transmit = lambda buffers, offload: sent.append(b"".join(buffers)) or True
        host.on_frame = lambda name, text: name == "arp" and host.outbox.append(b"syn:")

        def connect():
            host.send("who", "has")
            return host.get("synack", 5)

        assert machine.where(BACKGROUND) == "poll"  # nobody has called for a while
        machine.start("C", connect)
        machine.run("C")
        assert sent == [b"who:has"]  # its own turn first
        assert scene.poller.wakes == 1
        machine.run(BACKGROUND)  # its poll returns, it takes no turn, and dozes
        assert machine.timeout(BACKGROUND) == pytest.approx(0.002)
        machine.run("C")
        assert machine.where("C") == "poll"
        wire.arrives(b"arp:reply")
        machine.run("C")
        assert sent == [b"who:has", b"syn:"]
        assert machine.where("C") == "poll"  # not ready yet: it leads on
        machine.expire(BACKGROUND)
        machine.expire(BACKGROUND)
        assert machine.timeout(BACKGROUND) is None
        wire.arrives(b"synack:x")
        machine.run("C")
        assert scene.result("C") == "x"
        assert machine.can_run(BACKGROUND)  # no follower sleeps: it was woken, once

    def test_a_connect_on_a_pair_between_two_threads(self, scene):
        machine = scene.machine
        server, client = two_hosts(scene.runtime)
        machine.run_while_it_can(BACKGROUND)
        server.on_frame = lambda name, text: server.outbox.append(b"synack:" + text.encode())
        machine.start("S", lambda: server.get("syn"))
        machine.run("S")
        machine.run(BACKGROUND)
        machine.run("S")
        assert machine.where("S") == "poll"  # the pair has no descriptor
        before = scene.poller.wakes

        def connect():
            client.send("syn", "x")
            return client.get("synack")

        machine.start("C", connect)
        machine.run("C")
        assert scene.result("C") == "x"  # without having slept
        assert scene.poller.wakes == before + 1
        machine.run("S")
        assert scene.result("S") == "x"


class TestBatches:
    def test_a_leader_returns_after_the_batch_that_brought_what_it_waits_for(self, scene):
        scene.leading_reader("A", "a")
        scene.wire.arrives(b"a:first", *[b"other:x"] * 40)
        scene.machine.run("A")
        assert scene.result("A") == "first"
        assert len(scene.host.nic.seen) == 16

    def test_what_a_batch_left_is_drained_by_the_next_poll_without_sleep(self, scene):
        scene.leading_reader("A", "a")
        scene.wire.arrives(*[b"other:x"] * 40)
        scene.machine.run("A")
        assert scene.machine.where("A") == "poll"
        assert len(scene.host.nic.seen) == 40


@pytest.mark.parametrize(("connections", "most"), [(1, 1), (3, 3), (16, 8)])
def test_a_full_batch_for_several_connections_makes_the_next_one_longer(scene, connections, most):
    """One connection's data is acknowledged each 256 KiB, however many there are."""
    quarter, rooms = 256 << 10, []
    names = [f"{number % connections}:".encode() for number in range(48)]

    def receive_batch(most, room):
        rooms.append(room)
        frames, names[:16] = names[:16], []
        if not names:
            scene.poller.events.pop(scene.wire.fd, None)
        return [(name, None) for name in frames], quarter

    scene.leading_reader("A", "a")
    port = scene.wire.port
    port.batching = receive_batch, lambda batch, size, caught: [scene.host.nic.receive(*one) for one in batch]
    scene.poller.events[scene.wire.fd] = 1
    scene.machine.run_while_it_can("A")
    assert rooms == [quarter, most * quarter, most * quarter]


class TestGate:
    def test_whoever_has_waited_a_millisecond_is_handed_it(self, scene):
        gate = scene.runtime
        order = []

        def busy():
            for n in range(3):
                gate.enter()
                scene.machine.stop("inside", lambda: True)
                order.append(f"busy{n}")
                gate.leave()

        def patient():
            gate.enter()
            order.append("patient")
            gate.leave()

        machine = scene.machine
        machine.start("busy", busy)
        machine.start("patient", patient)
        machine.run("busy")
        machine.run("patient")
        assert machine.timeout("patient") == pytest.approx(0.001)
        machine.run("busy")  # it leaves, and is back before anybody else could run
        assert machine.where("busy") == "inside"
        machine.expire("patient")
        assert machine.timeout("patient") is None
        machine.run("busy")
        assert machine.where("busy") == "lock"
        machine.run("patient")
        assert order == ["busy0", "busy1", "patient"]
        machine.run_while_it_can("busy")
        assert order[-1] == "busy2"

    def test_those_who_wait_are_handed_it_in_order(self, scene):
        gate, order = scene.runtime, []

        def visit(name):
            gate.enter()
            order.append(name)
            gate.leave()

        gate.enter()
        for name in ("one", "two", "three"):
            scene.machine.start(name, lambda name=name: visit(name))
            scene.machine.run(name)
        for name in ("three", "one", "two"):
            scene.machine.expire(name)
        gate.leave()
        scene.machine.run_while_it_can("one", "two", "three")
        assert order == ["three", "one", "two"]


@pytest.mark.parametrize("block", range(10))
def test_no_order_of_steps_loses_a_wake_up(block):
    """Ping-pong and a timer among three threads and the background, at random; nobody may sleep for ever."""
    for seed in range(block * 12, block * 12 + 12):
        scene = Scene(fine=True)
        host, machine = scene.host, scene.machine

        def serve(host=host):
            for _ in range(3):
                text = host.get("ping")
                host.under_gate(lambda text=text: host.deliver("pong", text))
            return "served"

        def ask(host=host):
            for n in range(3):
                host.under_gate(lambda n=n: host.deliver("ping", str(n)))
                assert host.get("pong") == str(n)
            return "asked"

        def wait(host=host, wire=scene.wire):
            assert host.get("never", 0.001) is None
            host.after(0.001, lambda: host.deliver("timer", "rang"))
            assert host.get("timer") == "rang"
            wire.inbox.append(b"pushed:x")
            wire.port.poke()
            return host.get("pushed")

        for name, fn in zip(THREADS, (serve, ask, wait), strict=True):
            machine.start(name, fn)
        try:
            machine.explore(random.Random(seed), lambda m=machine: all(m.where(name) == "ended" for name in THREADS))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            scene.end()


@pytest.mark.parametrize("block", range(4))
def test_no_order_of_steps_holds_up_the_chain(block):
    """Three threads that every delivery makes ready at once, some of which give up in between; nobody is forgotten."""
    names = ("m1", "m2", "m3", "feed")
    for seed in range(block * 6, block * 6 + 6):
        scene = Scene(fine=True)
        host, machine = scene.host, scene.machine

        def take(name, host=host):
            return [host.get(name, 0.003 if n == 1 else None) for n in range(3)]

        def deliver(host=host):
            for name in names[:3]:
                host.deliver(name, "x")

        def feed(host=host, deliver=deliver):
            for n in range(6):
                host.under_gate(deliver)
                if n % 2:
                    assert host.get("nothing", 0.002) is None
            return "fed"

        for name in names[:3]:
            machine.start(name, lambda name=name, take=take: take(name))
        machine.start("feed", feed)
        try:
            machine.explore(random.Random(seed), lambda m=machine: all(m.where(name) == "ended" for name in names))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        finally:
            scene.end()
