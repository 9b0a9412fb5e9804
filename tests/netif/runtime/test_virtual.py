"""The virtual clock and its baton: what differs from a real clock, and that a run can be replayed."""

from __future__ import annotations

import signal
import threading

import pytest

from netif.runtime import Deadlock, VirtualRuntime
from tests.netif.runtime.children import said_under_any_hash_seed
from tests.netif.runtime.toys import Host, two_hosts


def test_time_moves_only_when_all_are_blocked_and_then_at_once(virtual):
    two_hosts(virtual)
    log = []

    def sleeper(name, seconds):
        def run():
            for _ in range(3):
                virtual.sleep(seconds)
                log.append((name, virtual.now()))

        return run

    virtual.spawn(sleeper("slow", 1500.0))
    virtual.spawn(sleeper("fast", 1000.0))
    virtual.run_for(10_000)
    assert log == [("fast", 1000), ("slow", 1500), ("fast", 2000), ("slow", 3000), ("fast", 3000), ("slow", 4500)]
    assert virtual.now() == 10_000


def test_exactly_one_function_runs_at_a_time_in_order_of_arrival(virtual):
    log, running = [], []

    def run(n):
        def body():
            for step in range(3):
                assert not running
                running.append(n)
                log.append((step, n))
                running.clear()
                virtual.sleep(0)

        return body

    for n in range(4):
        virtual.spawn(run(n))
    virtual.run_for(1)
    assert log == [(step, n) for step in range(3) for n in range(4)]


def test_a_deadlock_names_every_waiter(virtual):
    anna, bert = two_hosts(virtual)
    virtual.spawn(lambda: anna.get("left"), "one")
    two = virtual.spawn(lambda: bert.get("right"), "two")
    virtual.spawn(two.result, "three")
    with pytest.raises(Deadlock) as caught:
        virtual.run_until(two.done)
    text = str(caught.value)
    assert "one waits in get of <Box anna/left>" in text
    assert "two waits in get of <Box bert/right>" in text
    assert "three waits in result of <Task two>" in text
    assert len(caught.value.waiters) == 3


def test_maintenance_keeps_nobody_waiting(virtual):
    anna, _ = two_hosts(virtual)
    fired = []
    anna.after(60, lambda: fired.append(virtual.now()), maintenance=True)
    with pytest.raises(Deadlock):
        virtual.run_until(lambda: False)
    assert virtual.now() < 60
    virtual.run_for(100)
    assert fired == [60]


def test_maintenance_is_done_on_the_way_to_something_that_counts(virtual):
    anna, bert = two_hosts(virtual)
    fired = []
    anna.after(60, lambda: fired.append("maintenance"), maintenance=True)
    bert.after(90, lambda: fired.append("timer"))
    virtual.run_until(lambda: "timer" in fired)
    assert fired == ["maintenance", "timer"]


def test_a_waiter_with_a_deadline_is_something_left_to_happen(virtual):
    anna, _ = two_hosts(virtual)
    task = virtual.spawn(lambda: anna.get("never", 500))
    virtual.run_until(task.done)
    assert task.result() is None
    assert virtual.now() == 500


def test_run_until_gives_up_after_so_much_virtual_time(virtual):
    anna, _ = two_hosts(virtual)
    anna.after(10_000, lambda: None)
    with pytest.raises(TimeoutError):
        virtual.run_until(lambda: False)
    assert virtual.now() == 3600


@pytest.mark.parametrize(
    "call",
    [
        lambda runtime, host: host.get("in"),
        lambda runtime, host: runtime.sleep(1),
        lambda runtime, host: runtime.spawn(lambda: 1).result(),
    ],
    ids=["read", "sleep", "result"],
)
def test_a_blocking_call_from_a_thread_that_was_not_spawned_is_refused(virtual, call):
    anna, bert = two_hosts(virtual)
    with pytest.raises(RuntimeError, match="spawned"):
        call(virtual, anna)
    bert.send("in", "hello")
    assert anna.get("in") == "hello"  # what need not block may be called from anywhere


def test_a_condition_may_look_but_not_block(virtual):
    anna, bert = two_hosts(virtual)
    anna.after(5, lambda: anna.outbox.append(b"in:x") or virtual.touch(anna))
    virtual.run_until(lambda: anna.under_gate(lambda: bool(bert.nic.seen)))
    assert virtual.now() == 5
    with pytest.raises(RuntimeError, match="spawned"):
        virtual.run_until(lambda: anna.get("never"))


def test_an_exception_in_a_condition_surfaces(virtual):
    two_hosts(virtual)[0].after(1, lambda: None)
    with pytest.raises(KeyError, match="looking"):
        virtual.run_until(lambda: {}["looking"])


def test_a_spawned_function_cannot_run_the_clock(virtual):
    def body():
        with pytest.raises(RuntimeError, match="already"):
            virtual.run_for(1)
        with pytest.raises(RuntimeError, match="spawned"):
            virtual.close()
        return "refused"

    task = virtual.spawn(body)
    virtual.run_until(task.done)
    assert task.result() == "refused"


def test_one_step_is_one_function_until_it_blocks_or_one_moment(virtual):
    two_hosts(virtual)
    log = []
    virtual.spawn(lambda: (log.append("a"), virtual.sleep(1), log.append("b")))
    seen = []
    while virtual.step():
        seen.append((list(log), virtual.now()))
    assert seen == [(["a"], 0), (["a"], 1), (["a", "b"], 1)]
    assert not virtual.step()


def test_an_event_handler_may_block(virtual):
    two_hosts(virtual)
    log = []
    virtual.post(lambda: (virtual.sleep(5), log.append(virtual.now())))
    virtual.post(lambda: log.append("next"))
    virtual.run_for(10)
    assert log == [5, "next"]


def test_closing_lets_the_clock_run_and_others_with_it(virtual):
    anna, _ = two_hosts(virtual)
    log = []
    virtual.spawn(lambda: (virtual.sleep(0.3), log.append(virtual.now())))
    anna.under_gate(lambda: virtual.wait_closing(virtual.waiter("close", anna), virtual.now() + 1))
    assert log == [0.3]
    assert virtual.now() == 1


def test_a_function_that_never_ran_is_ended_by_close():
    runtime, ran = VirtualRuntime(), []
    task = runtime.spawn(lambda: ran.append(1))
    runtime.close()
    assert task.done()
    assert not ran
    with pytest.raises(RuntimeError, match="ended"):
        task.result()


def test_awaiting_needs_an_event_loop(virtual):
    with pytest.raises(RuntimeError, match="needs an event loop of this virtual clock"):
        virtual.wait_async(virtual.waiter("x", None), None).send(None)


def test_a_foreign_thread_may_call_what_does_not_block(virtual):
    anna, bert = two_hosts(virtual)
    thread = threading.Thread(target=lambda: anna.send("in", "hello"))
    thread.start()
    thread.join()
    assert bert.nic.seen == [b"in:hello"]


SCENE = """
import hashlib
from netif.runtime import VirtualRuntime
from tests.netif.runtime.toys import two_hosts

runtime = VirtualRuntime(seed="replay")
log = []
pairs = [two_hosts(runtime, delay=0.01 * (n + 1)) for n in range(3)]
for anna, bert in pairs:
    anna.name, bert.name = f"anna{len(log)}", f"bert{len(log)}"
    dice = runtime.dice(anna.name)

    def serve(host=bert):
        while (text := host.get("in", 5)) is not None:
            log.append((runtime.now(), host.name, text))
            runtime.sleep(dice.random())
            host.send("back", text)

    def ask(host=anna):
        for turn in range(20):
            host.send("in", str(dice.randrange(0, 1000)))
            log.append((runtime.now(), host.name, host.get("back", dice.random())))

    runtime.spawn(serve)
    runtime.spawn(ask)
runtime.run_for(60)
runtime.close()
print(len(log), hashlib.sha256(repr(log).encode()).hexdigest())
"""


def test_a_run_is_replayed_whatever_the_hash_seed():
    assert int(said_under_any_hash_seed(SCENE).split()[0]) > 60


def test_a_thousand_hosts_are_no_thousand_times_the_work(virtual):
    hosts = [Host(f"h{n}", virtual) for n in range(1000)]
    asked = []
    for host in hosts:
        host.next_deadline = lambda: asked.append(1)
    anna, bert = two_hosts(virtual)
    for n in range(50):
        anna.send("in", str(n))
    assert len(bert.nic.seen) == 50
    assert not asked


def test_waits_that_end_before_their_deadline_leave_nothing_in_the_heap(virtual):
    anna, bert = two_hosts(virtual)

    def serve():
        for _ in range(2000):
            bert.send("back", bert.get("in", 600))

    def ask():
        for turn in range(2000):
            anna.send("in", str(turn))
            anna.get("back", 600)

    virtual.spawn(serve)
    virtual.run_until(virtual.spawn(ask).done)
    assert len(virtual.deadlines.heap) < 300


def test_a_handler_of_the_programs_own_that_returns_lets_the_run_go_on():
    seen = []
    inner = signal.getsignal(signal.SIGINT)
    runtime = VirtualRuntime()
    signal.signal(signal.SIGINT, lambda signum, frame: seen.append(runtime.now()))
    try:
        two_hosts(runtime)

        def interrupt():
            runtime.sleep(5)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            runtime.sleep(5)
            return "done"

        task = runtime.spawn(interrupt)
        runtime.run_until(task.done)
        assert task.result() == "done"
        assert runtime.now() == 10
        assert len(seen) == 1
    finally:
        runtime.close()
        signal.signal(signal.SIGINT, inner)


def test_events_posted_at_the_very_end_are_delivered():
    runtime, ran = VirtualRuntime(), []
    anna, _ = two_hosts(runtime)
    close = anna.close
    anna.close = lambda linger=1.0: (runtime.post(lambda: ran.append("closed")), close())
    runtime.close()
    assert ran == ["closed"]
