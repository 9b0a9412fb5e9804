"""What every runtime promises, tried on all three."""

from __future__ import annotations

import logging
import socket
import threading
import warnings
from _thread import get_ident

import pytest

from tests.netif.runtime.toys import Host, Nic, PushDriver, memory_pair, socket_pair, two_hosts


class TestFrames:
    def test_what_a_call_queues_has_crossed_a_wire_in_memory_when_the_call_returns(self, runtime):
        anna, bert = two_hosts(runtime)
        anna.send("in", "hello")
        assert bert.nic.seen == [b"in:hello"]

    def test_an_answer_comes_back_within_the_same_call(self, runtime):
        anna, bert = two_hosts(runtime)
        bert.on_frame = lambda name, text: bert.outbox.append(f"back:{text}".encode())
        anna.send("in", "hello")
        assert list(anna.box("back").items) == ["hello"]

    def test_hosts_that_never_stop_answering_do_not_hold_a_call_for_ever(self, runtime):
        anna, bert = two_hosts(runtime)
        count = []
        for host in (anna, bert):
            host.on_frame = lambda name, text, host=host: count.append(1) or host.outbox.append(b"x:y")
        anna.send("x", "y")
        assert 4 <= len(count) <= 10
        for host in (anna, bert):
            host.on_frame = None

    def test_what_a_call_leaves_over_is_done_by_whoever_leads(self, runtime, when):
        anna, bert = two_hosts(runtime)

        def answer(host):
            def on_frame(name, text):
                if int(text):
                    host.outbox.append(f"x:{int(text) - 1}".encode())

            return on_frame

        anna.on_frame, bert.on_frame = answer(anna), answer(bert)
        anna.send("x", "100")
        assert len(anna.nic.seen) + len(bert.nic.seen) < 100
        when(runtime, lambda: len(anna.nic.seen) + len(bert.nic.seen) == 101)

    def test_a_port_is_drained_in_batches_so_that_others_have_their_turn(self, runtime):
        order = []
        hosts = [Host(name, runtime) for name in ("anna", "bert")]
        pushers = [PushDriver(), PushDriver()]
        for host, driver in zip(hosts, pushers, strict=True):
            Nic(host, driver)
            host.on_frame = lambda name, text, host=host: order.append(host.name)
        runtime.enter()
        for driver in pushers:
            driver.inbox.extend([b"in:x"] * 20)
            driver.port.readable()
        runtime.leave()
        assert order == ["anna"] * 16 + ["bert"] * 16 + ["anna"] * 4 + ["bert"] * 4

    def test_a_batch_is_bounded_in_bytes_too(self, runtime):
        order = []
        hosts = [Host(name, runtime) for name in ("anna", "bert")]
        pushers = [PushDriver(), PushDriver()]
        for host, driver in zip(hosts, pushers, strict=True):
            Nic(host, driver)
            host.on_frame = lambda name, text, host=host: order.append(host.name)
        runtime.enter()
        for driver in pushers:
            driver.inbox.extend([b"in:" + bytes(100_000)] * 4)
            driver.port.readable()
        runtime.leave()
        assert order == ["anna"] * 3 + ["bert"] * 3 + ["anna", "bert"]

    def test_time_is_told_before_each_batch_and_one_flush_follows_it(self, runtime):
        anna, bert = two_hosts(runtime)
        told = []
        bert.advance = lambda now: told.append(len(bert.nic.seen))
        before = bert.flushes
        anna.under_gate(lambda: [anna.nic.transmit((b"in:x",), None) for _ in range(16)])
        assert told[0] == 0
        assert bert.flushes - before <= 2

    def test_room_again_is_told_after_a_refused_frame(self, runtime):
        anna, bert = two_hosts(runtime, room=2)
        anna.under_gate(lambda: [anna.outbox.append(b"in:x") for _ in range(5)] and runtime.touch(anna))
        assert anna.nic.rooms >= 1
        assert len(bert.nic.seen) == 5

    def test_a_frame_pushed_from_a_foreign_thread_arrives(self, runtime, when):
        host, driver = Host("anna", runtime), PushDriver()
        Nic(host, driver)
        thread = threading.Thread(target=lambda: driver.push(b"in:hello"))
        thread.start()
        thread.join()
        when(runtime, lambda: bool(host.box("in").items))

    def test_a_removed_port_delivers_nothing_more(self, runtime):
        anna, bert = two_hosts(runtime)
        bert.under_gate(lambda: runtime.remove(bert.nic))
        anna.send("in", "lost")
        assert bert.nic.seen == []
        bert.nic.port.poke()
        bert.under_gate(lambda: (bert.nic.port.readable(), bert.nic.port.call_at(0.0), bert.nic.port.writable()))
        assert bert.nic.rooms == 0

    def test_one_netif_has_one_port(self, runtime):
        anna, _ = two_hosts(runtime)
        with pytest.raises(ValueError, match="NIC"):
            anna.under_gate(lambda: runtime.add(anna, anna.nic))


class TestWaiting:
    def test_a_blocked_reader_is_woken_by_a_frame(self, runtime, when):
        anna, bert = two_hosts(runtime)
        reader = runtime.spawn(lambda: bert.get("in"))
        runtime.spawn(lambda: (runtime.sleep(0.01), anna.send("in", "hello")))
        when(runtime, reader.done)
        assert reader.result() == "hello"

    def test_a_delayed_frame_wakes_a_reader_when_its_time_has_come(self, runtime, when):
        anna, bert = two_hosts(runtime, delay=0.02)

        def read():
            began = runtime.now()
            return bert.get("in"), runtime.now() - began

        reader = runtime.spawn(read)
        runtime.spawn(lambda: anna.send("in", "late"))
        when(runtime, reader.done)
        text, took = reader.result()
        assert text == "late"
        assert took >= 0.0199

    def test_a_deadline_ends_a_wait(self, runtime, when):
        anna, _ = two_hosts(runtime)

        def wait():
            began = runtime.now()
            return anna.get("never", 0.02), runtime.now() - began

        task = runtime.spawn(wait)
        when(runtime, task.done)
        text, took = task.result()
        assert text is None
        assert took >= 0.0199

    def test_what_its_own_call_makes_ready_does_not_sleep(self, runtime, when):
        anna, bert = two_hosts(runtime)
        bert.on_frame = lambda name, text: bert.outbox.append(b"back:" + text.encode())

        def ask():
            anna.outbox.append(b"in:hello")
            runtime.enter()
            runtime.touch(anna)
            waiter = runtime.waiter("get", anna.box("back"))
            anna.box("back").waiters.append(waiter)
            woken = runtime.wait(waiter, None)
            runtime.leave()
            return woken

        task = runtime.spawn(ask)
        when(runtime, task.done)
        assert task.result() is True

    def test_many_readers_each_get_what_is_theirs(self, runtime, when):
        anna, bert = two_hosts(runtime)
        readers = [runtime.spawn(lambda n=n: [bert.get(f"box{n}") for _ in range(20)]) for n in range(5)]

        def write():
            for turn in range(20):
                for n in range(5):
                    anna.send(f"box{n}", f"{n}.{turn}")

        runtime.spawn(write)
        when(runtime, lambda: all(reader.done() for reader in readers))
        for n, reader in enumerate(readers):
            assert reader.result() == [f"{n}.{turn}" for turn in range(20)]

    def test_ping_pong_between_two_functions(self, runtime, when):
        anna, bert = two_hosts(runtime)

        def serve():
            for _ in range(200):
                bert.send("back", bert.get("in"))

        def ask():
            for turn in range(200):
                anna.send("in", str(turn))
                assert anna.get("back") == str(turn)
            return "all"

        runtime.spawn(serve)
        task = runtime.spawn(ask)
        when(runtime, task.done)
        assert task.result() == "all"

    def test_closing_may_wait_in_any_thread(self, runtime):
        anna, _ = two_hosts(runtime)
        runtime.enter()
        try:
            waiter = runtime.waiter("close", anna)
            anna.timers.append(_timer(runtime.now() + 0.01, waiter.wake))
            runtime.touch(anna)
            assert runtime.wait_closing(waiter, runtime.now() + 10) is True
            began = runtime.now()
            assert runtime.wait_closing(waiter, began + 0.01) is False
            assert runtime.now() >= began + 0.0099
        finally:
            runtime.leave()


def _timer(when, act):
    from tests.netif.runtime.toys import Timer

    return Timer(when, act, False)


class TestTime:
    def test_a_deadline_of_a_stack_is_kept(self, runtime, when):
        anna, _ = two_hosts(runtime)
        fired = []
        began = runtime.now()
        anna.after(0.02, lambda: fired.append(runtime.now()))
        when(runtime, lambda: bool(fired))
        assert fired[0] >= began + 0.0199

    def test_a_deadline_that_moves_earlier_is_kept(self, runtime, when):
        anna, _ = two_hosts(runtime)
        fired = []
        anna.after(5.0, lambda: fired.append("late"))
        anna.after(0.01, lambda: fired.append("early"))
        when(runtime, lambda: bool(fired), 4)
        assert fired == ["early"]

    def test_of_several_times_a_driver_asks_for_the_earliest_wins(self, runtime, when):
        host, driver = Host("anna", runtime), PushDriver()
        Nic(host, driver)
        called = []
        driver.advance = called.append
        began = runtime.now()
        host.under_gate(lambda: [driver.port.call_at(began + after) for after in (9.0, 0.02, 5.0)])
        when(runtime, lambda: bool(called), 4)
        assert called[0] >= began + 0.0199
        assert len(called) == 1

    def test_an_alarm_rings_once_with_the_gate_held_and_may_be_moved_and_cancelled(self, runtime, when):
        two_hosts(runtime)
        rung = []
        runtime.enter()
        first, second, third = (
            runtime.alarm(lambda name=name: rung.append((name, runtime.owner == get_ident())))
            for name in ("first", "second", "third")
        )
        now = runtime.now()
        first.at(now + 3600)
        second.at(now + 0.02)
        third.at(now + 0.01)
        first.at(now + 0.04)
        third.cancel()
        assert (first.armed, third.armed) == (True, False)
        runtime.leave()
        when(runtime, lambda: len(rung) == 2)
        assert rung == [("second", True), ("first", True)]
        assert not first.armed

    def test_an_alarm_is_worth_waiting_for(self, runtime, when):
        two_hosts(runtime)
        runtime.enter()
        waiter = runtime.waiter("alarm", None)
        runtime.alarm(waiter.wake).at(runtime.now() + 0.01)
        runtime.leave()
        woken = []

        def wait():
            runtime.enter()
            woken.append(runtime.wait(waiter, None))
            runtime.leave()

        runtime.spawn(wait)
        when(runtime, lambda: woken == [True])

    def test_sleep_and_run_for_let_time_pass(self, runtime):
        began = runtime.now()
        slept = runtime.spawn(lambda: (runtime.sleep(0.01), runtime.now())[1])
        runtime.run_for(0.03)
        assert runtime.now() >= began + 0.0299
        assert began + 0.0099 <= slept.result() <= runtime.now()

    def test_a_condition_that_never_comes_true_ends_in_a_timeout(self, runtime):
        two_hosts(runtime)[0].after(60, lambda: None)
        with pytest.raises(TimeoutError):
            runtime.run_until(lambda: False, timeout=0.02)

    def test_a_step_is_one_thing_that_happens(self, runtime):
        anna, _ = two_hosts(runtime)
        fired = []
        anna.after(0.01, lambda: fired.append(1))
        while not fired:
            assert runtime.step()


class TestTasks:
    def test_a_result_comes_back(self, runtime, when):
        task = runtime.spawn(lambda: 42, "answer")
        when(runtime, task.done)
        assert task.result() == 42
        assert "answer" in repr(task)

    @pytest.mark.parametrize("called", ["a coroutine", None, 7])
    def test_what_is_no_function_is_refused_at_once(self, runtime, called):
        async def main():
            raise AssertionError("nobody runs it")

        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a coroutine that was never awaited
            with pytest.raises(TypeError, match=r"spawn takes a function, as in spawn\(main\), not a "):
                runtime.spawn(main() if called == "a coroutine" else called)
            with pytest.raises(TypeError, match=r"run_until takes a function, as in run_until\(task.done\), not a "):
                runtime.run_until(main() if called == "a coroutine" else called)

    def test_an_exception_surfaces_in_whoever_runs(self, runtime):
        def fail():
            raise KeyError("spawned")

        runtime.spawn(fail)
        with pytest.raises(KeyError, match="spawned"):
            runtime.run_for(5)
        runtime.run_for(0.001)

    def test_an_exception_comes_out_of_result_and_only_there(self, runtime, when):
        def fail():
            raise KeyError("spawned")

        def ask():
            with pytest.raises(KeyError, match="spawned"):
                failing.result()
            return "seen"

        failing = runtime.spawn(fail)
        asking = runtime.spawn(ask)
        try:
            when(runtime, asking.done)
        except KeyError:
            when(runtime, asking.done)  # it surfaced before anybody could ask
        assert asking.result() == "seen"

    def test_a_task_can_wait_for_another(self, runtime, when):
        first = runtime.spawn(lambda: (runtime.sleep(0.01), "done")[1])
        second = runtime.spawn(first.result)
        when(runtime, second.done)
        assert second.result() == "done"

    def test_waiting_for_a_result_has_a_timeout(self, runtime, when):
        slow = runtime.spawn(lambda: runtime.sleep(1))

        def ask():
            with pytest.raises(TimeoutError):
                slow.result(timeout=0.01)
            return "gave up"

        task = runtime.spawn(ask)
        when(runtime, task.done)
        assert task.result() == "gave up"

    def test_close_ends_blocked_tasks_and_lets_them_clean_up(self, runtime):
        anna, _ = two_hosts(runtime)
        ended = []

        def serve():
            try:
                anna.get("never")
            except Exception as error:  # would be a reason to go on
                ended.append(error)
            finally:
                ended.append("cleaned up")

        runtime.spawn(serve)
        runtime.run_for(0.01)
        runtime.close()
        assert ended == ["cleaned up"]
        runtime.close()
        with pytest.raises(RuntimeError):
            runtime.spawn(lambda: None)
        with pytest.raises(RuntimeError):
            Host("late", runtime)


class TestMistakes:
    def test_an_exception_in_the_core_is_counted_and_the_batch_goes_on(self, new_runtime, caplog):
        runtime = new_runtime(strict=False)
        anna, bert = two_hosts(runtime)

        def on_frame(name, text):
            if text == "bad":
                raise ZeroDivisionError("in the core")

        bert.on_frame = on_frame
        with caplog.at_level(logging.ERROR):
            anna.under_gate(lambda: [anna.outbox.append(f"in:{t}".encode()) for t in ("bad", "a", "bad", "b")])
            anna.under_gate(lambda: runtime.touch(anna))
        assert list(bert.box("in").items) == ["a", "b"]
        assert runtime.internal_errors == 2
        assert [type(error) for error in bert.aborted] == [ZeroDivisionError] * 2
        assert sum("in the core" in (record.exc_text or "") for record in caplog.records) == 1
        runtime.check()

    def test_strict_raises_what_was_caught_first(self, new_runtime):
        runtime = new_runtime(strict=True)
        anna, bert = two_hosts(runtime)
        errors = iter([ZeroDivisionError("first"), KeyError("second")])

        def on_frame(name, text):
            raise next(errors)

        bert.on_frame = on_frame
        anna.send("in", "x")
        anna.send("in", "y")
        with pytest.raises(ZeroDivisionError, match="first"):
            runtime.check()
        runtime.check()

    def test_strict_surfaces_in_whoever_runs(self, new_runtime):
        runtime = new_runtime(strict=True)
        anna, _ = two_hosts(runtime)
        anna.after(0.01, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            runtime.run_for(0.05)

    def test_a_flush_that_always_fails_does_not_turn_for_ever(self, new_runtime):
        runtime = new_runtime(strict=False)
        anna, bert = two_hosts(runtime)

        def fail():
            raise ValueError("every time")

        anna.on_flush = fail
        anna.send("in", "x")
        runtime.run_for(0.02)
        assert 1 <= runtime.internal_errors <= 10
        anna.on_flush = None
        anna.send("in", "y")
        assert bert.nic.seen == [b"in:x", b"in:y"]

    def test_a_timer_that_fails_does_not_stop_the_next(self, new_runtime, when):
        runtime = new_runtime(strict=False)
        anna, _ = two_hosts(runtime)
        fired = []
        anna.after(0.01, lambda: 1 / 0)
        anna.after(0.02, lambda: fired.append(1))
        when(runtime, lambda: bool(fired))
        assert runtime.internal_errors == 1

    @pytest.mark.parametrize("how", ["receive", "advance", "transmit", "told"])
    def test_an_oserror_of_a_driver_takes_its_link_down(self, runtime, how):
        anna, bert = two_hosts(runtime)
        error = OSError("the cable broke")

        def fail(*arguments):
            raise error

        driver = bert.nic.driver
        if how == "receive":
            driver.receive_error = error
            anna.send("in", "x")
        elif how == "advance":
            driver.advance = fail
            bert.under_gate(lambda: driver.port.call_at(runtime.now()))
        elif how == "transmit":
            driver.transmit = fail
            bert.send("in", "x")
        else:
            bert.under_gate(lambda: driver.port.failed(error))
        assert bert.nic.errors == [error]
        anna.send("in", "y")
        assert bert.nic.errors == [error]
        assert runtime.internal_errors == 0

    def test_a_mistake_in_a_driver_takes_its_link_down_and_is_counted(self, new_runtime):
        runtime = new_runtime(strict=False)
        anna, bert = two_hosts(runtime)
        bert.nic.driver.receive_error = ZeroDivisionError("in the driver")
        anna.send("in", "x")
        assert "ZeroDivisionError" in str(bert.nic.errors[0])
        assert runtime.internal_errors == 1

    def test_a_hook_may_not_enter_and_the_gate_is_whole_afterwards(self, runtime):
        anna, bert = two_hosts(runtime)
        refused = []

        def hook(name, text):
            with pytest.raises(RuntimeError, match="post"):
                bert.send("out", "from a hook")
            refused.append(text)

        bert.on_frame = hook
        anna.send("in", "hello")
        assert refused == ["hello"]
        bert.on_frame = None
        anna.send("in", "again")
        assert bert.nic.seen == [b"in:hello", b"in:again"]
        assert runtime.internal_errors == 0


class TestEvents:
    def test_handlers_run_in_order_one_at_a_time_with_the_gate_free(self, runtime, when):
        anna, bert = two_hosts(runtime)
        order = []

        def handler(n):
            def handle():
                order.append(("begins", n))
                anna.send("in", str(n))  # takes the gate
                order.append(("ends", n))

            return handle

        anna.under_gate(lambda: [runtime.post(handler(n)) for n in range(5)])
        when(runtime, lambda: len(order) == 10)
        assert order == [(what, n) for n in range(5) for what in ("begins", "ends")]
        assert bert.nic.seen == [f"in:{n}".encode() for n in range(5)]

    def test_an_exception_in_a_handler_is_logged_and_the_next_one_runs(self, runtime, when, caplog):
        two_hosts(runtime)
        ran = []
        with caplog.at_level(logging.ERROR):
            runtime.post(lambda: 1 / 0)
            runtime.post(lambda: ran.append(1))
            when(runtime, lambda: bool(ran))
        assert any("ZeroDivisionError" in (record.exc_text or "") for record in caplog.records)

    def test_a_handler_may_post_another(self, runtime, when):
        two_hosts(runtime)
        ran = []
        runtime.post(lambda: runtime.post(lambda: ran.append(1)))
        when(runtime, lambda: bool(ran))

    def test_events_posted_by_a_closing_stack_are_delivered(self, runtime, kind):
        anna, bert = two_hosts(runtime)
        ran = []
        bert.close()
        anna.under_gate(lambda: (runtime.post(lambda: ran.append(1)), runtime.remove_stack(anna)))
        runtime.run_for(0.05)
        assert ran == [1]


class TestLifetimes:
    def test_dice_with_a_seed_follow_from_seed_and_name(self, new_runtime):
        one, same, other = new_runtime(seed=7), new_runtime(seed=7), new_runtime(seed=8)
        assert one.dice("anna").randbytes(8) == same.dice("anna").randbytes(8)
        assert one.dice("anna").randbytes(8) != one.dice("bert").randbytes(8)
        assert one.dice("anna").randbytes(8) != other.dice("anna").randbytes(8)

    def test_a_runtime_serves_again_after_its_last_stack_has_gone(self, runtime):
        for _ in range(3):
            anna, bert = two_hosts(runtime)
            anna.send("in", "hello")
            assert bert.nic.seen == [b"in:hello"]
            anna.close()
            bert.close()

    def test_close_closes_the_stacks_that_are_left(self, runtime):
        anna, bert = two_hosts(runtime)
        runtime.close()
        assert anna.nic.driver.closed
        assert bert.nic.driver.closed

    def test_a_runtime_says_what_it_is(self, runtime):
        two_hosts(runtime)
        assert "2 stacks" in repr(runtime)


def test_a_virtual_clock_takes_no_descriptor(virtual):
    host, (driver, other) = Host("anna", virtual), socket_pair()
    with pytest.raises(ValueError, match="real clock"):
        Nic(host, driver)
    driver.close()
    other.close()


@pytest.mark.parametrize("kind", ["threaded", "asyncio"])
class TestDescriptors:
    @pytest.fixture
    def hosts(self, runtime):
        return two_hosts(runtime, socket_pair)

    def test_frames_wake_a_blocked_reader(self, runtime, hosts, when):
        anna, bert = hosts
        reader = runtime.spawn(lambda: bert.get("in"))
        runtime.spawn(lambda: (runtime.sleep(0.01), anna.send("in", "hello")))
        when(runtime, reader.done)
        assert reader.result() == "hello"

    def test_frames_are_taken_while_nobody_calls(self, runtime, hosts, when):
        anna, bert = hosts
        anna.send("in", "hello")
        when(runtime, lambda: bert.nic.seen == [b"in:hello"])

    def test_more_than_a_batch_arrives_whole_and_in_order(self, runtime, hosts, when):
        anna, bert = hosts
        for n in range(100):
            anna.send("in", str(n))
        when(runtime, lambda: len(bert.nic.seen) == 100)
        assert list(bert.box("in").items) == [str(n) for n in range(100)]

    def test_a_driver_that_wants_to_write_is_told_when_it_can(self, runtime, hosts, when):
        anna, bert = hosts
        bert.under_gate(lambda: runtime.remove(bert.nic))  # nobody reads the other end
        sent = 0
        while not anna.nic.driver.late:
            anna.send("in", "x" * 10_000)
            sent += 1
        anna.send("in", "the last")
        received = []
        while len(received) < sent + 1:
            got = bert.nic.driver.receive()
            if got is not None:
                received.append(got[0])
        assert received[-1] == b"in:the last"
        when(runtime, lambda: not anna.nic.driver.wants_write())

    def test_the_end_of_the_other_end_takes_the_link_down(self, runtime, hosts, when):
        anna, bert = hosts
        anna.under_gate(lambda: (runtime.remove(anna.nic), anna.nic.driver.close()))
        bert.nic.driver.receive = lambda: None  # one that does not look
        when(runtime, lambda: bool(bert.nic.errors))

    def test_a_second_descriptor_is_heard_as_long_as_the_first(self, runtime, hosts, when):
        _, bert = hosts
        ear, voice = socket.socketpair()
        ear.setblocking(False)
        heard = []

        def hear():
            heard.append(ear.recv(100))
            if heard[-1] == b"bad news":
                raise OSError("so it is")

        with ear, voice:
            bert.under_gate(lambda: bert.nic.port.beside(ear.fileno(), hear))
            for news in (b"news", b"bad news"):
                voice.send(news)
                when(runtime, lambda news=news: news in heard)
            when(runtime, lambda: [str(error) for error in bert.nic.errors] == ["so it is"])
            voice.send(b"nobody cares")
            runtime.run_for(0.02)
            assert heard == [b"news", b"bad news"]

    def test_a_port_that_is_removed_takes_its_second_descriptor_along(self, runtime, hosts):
        _, bert = hosts
        ear, voice = socket.socketpair()
        with ear, voice:
            heard = []
            bert.under_gate(lambda: bert.nic.port.beside(ear.fileno(), lambda: heard.append(ear.recv(100))))
            bert.under_gate(lambda: runtime.remove(bert.nic))
            voice.send(b"nobody cares")
            runtime.run_for(0.02)
            assert heard == []

    def test_ping_pong_through_descriptors(self, runtime, hosts, when):
        anna, bert = hosts

        def serve():
            for _ in range(200):
                bert.send("back", bert.get("in"))

        def ask():
            for turn in range(200):
                anna.send("in", str(turn))
                assert anna.get("back") == str(turn)
            return "all"

        runtime.spawn(serve)
        task = runtime.spawn(ask)
        when(runtime, task.done)
        assert task.result() == "all"


def test_a_pair_joins_hosts_of_one_runtime_only_by_its_ports(runtime):
    anna, bert = two_hosts(runtime, memory_pair)
    assert anna.nic.port.runtime is bert.nic.port.runtime
