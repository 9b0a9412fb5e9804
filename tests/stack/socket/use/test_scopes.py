"""Who means which host, from where to where; and that nothing stays behind."""

import _thread
import asyncio
import contextvars
import queue
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

import netif
from netif import Stack

KERNELS = socket.socket
KERNELS_NAME = socket.gethostname()
HAS_IPV6 = socket.has_ipv6


@pytest.fixture
def hosts():
    with Stack("left") as left, Stack("right") as right:
        yield left, right


def meant() -> str:
    """The name of the host that the caller means."""
    name = socket.gethostname()
    with socket.socket() as made:
        assert (type(made) is KERNELS) == (name == KERNELS_NAME)
        assert isinstance(made, socket.socket)
    return name


def test_a_scope_holds_from_its_beginning_to_its_end(hosts):
    left, _ = hosts
    with netif.use(left) as host:
        assert host is left
        assert meant() == "left"
        assert not socket.has_ipv6
    assert meant() == KERNELS_NAME
    assert socket.has_ipv6 is HAS_IPV6


def test_scopes_nest_and_the_stdlibs_own_can_be_meant_within(hosts):
    left, right = hosts
    with netif.use(left):
        with netif.use(right):
            assert meant() == "right"
            with netif.use(None):
                assert meant() == KERNELS_NAME
                assert bool(socket.has_ipv6) is HAS_IPV6
            assert meant() == "right"
        assert meant() == "left"


def test_a_scope_is_left_by_an_exception(hosts):
    left, right = hosts
    with pytest.raises(ZeroDivisionError), netif.use(left), netif.use(right):
        raise ZeroDivisionError
    assert socket.socket is KERNELS


def test_one_object_is_entered_again_and_leaving_once_more_does_nothing(hosts):
    left, _ = hosts
    scope = netif.use(left)
    with scope, scope:
        assert meant() == "left"
    scope.__exit__(None, None, None)
    with netif.use(left):
        scope.__exit__(None, None, None)
        assert meant() == "left"


def test_a_function_is_decorated(hosts):
    left, right = hosts

    @netif.use(left)
    def within(depth: int) -> list[str]:
        """Recurses."""
        return [meant(), *(within(depth - 1) if depth else [])]

    assert within.__doc__ == "Recurses."
    with netif.use(right):
        assert within(2) == ["left"] * 3
        assert meant() == "right"


def test_a_coroutine_function_is_decorated_and_tasks_mean_what_they_were_made_in(hosts):
    left, right = hosts

    @netif.use(left)
    async def within() -> str:
        await asyncio.sleep(0)
        return meant()

    async def outside() -> str:
        await asyncio.sleep(0)
        return meant()

    async def main() -> list[str]:
        with netif.use(right):
            inherited = asyncio.create_task(outside())
        return await asyncio.gather(within(), outside(), within(), inherited, asyncio.to_thread(meant))

    with netif.use(right):  # so that something is in place all the while
        assert asyncio.run(main()) == ["left", "right", "left", "right", "right"]


def test_what_goes_on_after_its_return_is_not_decorated(hosts):
    def generates():
        yield

    async def generates_and_awaits():
        yield

    for fn in (generates, generates_and_awaits, ValueError):
        with pytest.raises(TypeError, match="decorate the function that runs it"):
            netif.use(hosts[0])(fn)


def test_look_ups_in_executors_are_the_tasks_hosts(hosts):
    left, right = hosts
    left.hosts = {"printer": "10.1.1.1"}
    right.hosts = {"printer": "10.2.2.2"}

    async def look_up(host: Stack) -> str:
        with netif.use(host):
            found = await asyncio.get_running_loop().getaddrinfo("printer", 631, type=socket.SOCK_STREAM)
        return found[0][4][0]

    async def main() -> list[str]:
        return await asyncio.gather(look_up(left), look_up(right), look_up(left))

    assert asyncio.run(main()) == ["10.1.1.1", "10.2.2.2", "10.1.1.1"]


def run_in_thread(fn, kind=threading.Thread) -> list[str]:
    said: list[str] = []
    thread = kind(target=lambda: said.append(fn()))
    thread.start()
    thread.join()
    return said


def test_threads_started_within_inherit_and_others_do_not(hosts):
    left, _ = hosts
    before, open_now = threading.Event(), threading.Event()
    said: list[str] = []

    def started_before() -> None:
        before.set()
        open_now.wait(20)
        said.append(meant())

    class Own(threading.Thread):
        def run(self) -> None:
            super().run()

    thread = threading.Thread(target=started_before)
    thread.start()
    before.wait(20)
    with netif.use(left):
        assert run_in_thread(meant) == ["left"]
        assert run_in_thread(meant, Own) == ["left"]
        assert run_in_thread(lambda: run_in_thread(meant)[0]) == ["left"]
        open_now.set()
        thread.join()
    assert said == [KERNELS_NAME]


def test_bare_threads_inherit_too(hosts):
    said: queue.Queue[str] = queue.Queue()
    with netif.use(hosts[0]):
        _thread.start_new_thread(lambda one, other: said.put(meant() + one + other), (" and",), {"other": " so on"})
        assert said.get(timeout=20) == "left and so on"
        _thread.start_new_thread(lambda: said.put(meant()), ())
        assert said.get(timeout=20) == "left"
        with pytest.raises(TypeError, match="callable"):
            _thread.start_new_thread(None, ())
        with netif.use(None):
            _thread.start_new_thread(lambda: said.put(meant()), ())
            assert said.get(timeout=20) == KERNELS_NAME
    assert type(_thread.start_new_thread) is type(len)


def test_a_thread_keeps_its_meaning_when_the_scope_it_was_started_in_is_left(hosts):
    left, right = hosts
    left_now = threading.Event()
    said: list[str] = []

    def serve() -> None:
        left_now.wait(20)
        said.append(meant())

    with netif.use(right):
        with netif.use(left):
            thread = threading.Thread(target=serve)
            thread.start()
        left_now.set()
        thread.join()
        assert "run" not in vars(thread)
    assert said == ["left"]


def test_a_thread_that_cannot_start_is_left_as_it_was(hosts):
    with netif.use(hosts[0]):
        thread = threading.Thread(target=meant)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        assert "run" not in vars(thread)


def test_a_pools_threads_mean_what_whoever_hands_work_over_means(hosts):
    left, right = hosts
    with ThreadPoolExecutor(1) as pool:
        with netif.use(left):
            assert pool.submit(meant).result(20) == "left"
            with netif.use(right):
                assert list(pool.map(lambda _: meant(), range(2))) == ["right"] * 2
            with netif.use(None):
                assert pool.submit(meant).result(20) == KERNELS_NAME
        assert pool.submit(meant).result(20) == KERNELS_NAME


def test_two_threads_are_in_different_scopes_at_once(hosts):
    both = threading.Barrier(2)
    said: dict[str, list[str]] = {}

    def work(host: Stack) -> None:
        for _ in range(20):
            with netif.use(host):
                both.wait(20)
                said.setdefault(host.name, []).append(meant())
                both.wait(20)
                assert isinstance(socket.socket, type)
            assert meant() == KERNELS_NAME

    threads = [threading.Thread(target=work, args=[host]) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {"left": ["left"] * 20, "right": ["right"] * 20}


def test_a_scope_may_be_left_in_another_context_than_it_was_entered_in(hosts):
    scope = netif.use(hosts[0])
    contextvars.copy_context().run(scope.__enter__)
    contextvars.copy_context().run(scope.__exit__, None, None, None)
    assert socket.socket is KERNELS


def test_a_class_may_keep_what_a_builtin_is(hosts):
    """The stdlib's, which is no method of it."""
    with netif.use(hosts[0]):

        class Keeps:
            name = socket.gethostname

        assert Keeps().name() == "left"


@pytest.fixture
def listed():
    module = ModuleType("listed")
    source = """
from socket import socket, getaddrinfo, has_ipv6, gethostname as name_of_this_host, create_connection
import socket as whole
class Holder: pass
"""
    exec(source, vars(module))
    return module


def test_listed_modules_are_led_here_whatever_they_call_it(hosts, listed):
    left, right = hosts
    before = dict(vars(listed))
    with netif.use(left, modules=[listed]):
        assert listed.name_of_this_host() == "left"
        assert listed.socket is socket.socket
        assert listed.getaddrinfo is socket.getaddrinfo
        assert not listed.has_ipv6
        with netif.use(right, modules=[listed]):
            assert listed.name_of_this_host() == "right"
        assert listed.name_of_this_host() == "left"
    assert vars(listed) == before


def test_a_module_is_led_here_until_the_last_scope_that_lists_it_ends(hosts, listed):
    left, right = hosts
    with netif.use(left):
        assert listed.socket is KERNELS
        first, second = netif.use(left, modules=[listed]), netif.use(right, modules=[listed])
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert listed.socket is socket.socket
        second.__exit__(None, None, None)
        assert listed.socket is KERNELS


def test_the_stdlibs_module_may_be_listed_itself(hosts):
    with netif.use(hosts[0]):
        with netif.use(hosts[1], modules=["socket"]):
            assert meant() == "right"
        assert meant() == "left"


def test_a_host_is_not_renamed_by_its_programs_nor_the_machine(hosts):
    with netif.use(hosts[0]), pytest.raises(PermissionError):
        socket.sethostname("else")
    assert socket.gethostname() == KERNELS_NAME


def test_modules_are_named_too_and_must_be_there(hosts):
    with netif.use(hosts[0], modules=["socketserver"]):
        assert meant() == "left"
    with pytest.raises(ImportError, match="no_such_module"):
        netif.use(hosts[0], modules=["no_such_module"])
    assert socket.socket is KERNELS


@pytest.mark.parametrize("modules", ["requests.sessions", socket, None, 3], ids=["name", "module", "none", "number"])
def test_modules_are_a_list(hosts, modules):
    with pytest.raises(TypeError, match=r"is no list of modules or their names: write modules=\['requests") as caught:
        netif.use(hosts[0], modules=modules)
    assert str(caught.value).startswith(f"use: modules={modules!r}")
    assert "\n" not in str(caught.value)
    assert socket.socket is KERNELS


def test_what_is_no_host_is_refused_by_name():
    with pytest.raises(TypeError, match="'server' is no host: give a Stack"):
        netif.use("server")
    with pytest.raises(ValueError, match="elsewhere='somewhere': write 'refuse'"):
        netif.use(None, elsewhere="somewhere")


def test_our_own_drivers_mean_the_kernels(hosts):
    ours = ModuleType("tapio.something")
    exec("import socket\ndef make():\n    return socket.socket()\ndef name():\n    return socket.getfqdn()", vars(ours))
    with netif.use(hosts[0]), ours.make() as made:
        assert type(made) is KERNELS
        assert ours.name() != "left"


def test_a_hosts_module_means_it_without_a_scope(hosts):
    left, right = hosts
    left.hosts = {"printer": "10.1.1.1"}
    ours = left.socket_module
    assert left.socket_module is ours
    assert ours.gethostname() == ours.getfqdn() == "left"
    assert ours.gethostbyname("printer") == "10.1.1.1"
    assert ours.getaddrinfo("printer", 80)[0][4] == ("10.1.1.1", 80)
    with netif.use(right):
        assert ours.gethostname() == "left"
    with ours.create_server(("127.0.0.1", 0)) as listener, ours.socket() as asking:
        assert isinstance(listener, ours.socket)
        asking.connect(listener.getsockname())
        with listener.accept()[0] as accepted:
            assert isinstance(accepted, ours.socket)
    with ours.socket(ours.AF_UNIX) as local:
        assert type(local) is KERNELS


def test_a_hosts_module_has_every_name_of_the_stdlibs(hosts):
    missing = {name for name in socket.__all__ if not hasattr(hosts[0].socket_module, name)}
    assert missing == set()
    assert hosts[0].socket_module.AF_INET is socket.AF_INET
    assert hosts[0].socket_module._GLOBAL_DEFAULT_TIMEOUT is socket._GLOBAL_DEFAULT_TIMEOUT  # ftplib asks for it
