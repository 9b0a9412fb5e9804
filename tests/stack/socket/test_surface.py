"""Every name of the stdlib's module and of its class, with its signature, on the interpreter that runs this."""

import enum
import inspect
import socket as kernel
import sys
import types

import pytest

import stack.socket as ours
from stack.socket import constants, linux

LEFT_OUT = {
    "CAPI": "a capsule for C extensions, which would call the kernel's sockets",
    "_socket": "the kernel's own module",
    "_intenum_converter": "the stdlib's file has it for itself",
    "_fallback_socketpair": "the same",
    "_accept": "answers a descriptor; accept is not built on it",
}
NAMES = [name for name, value in vars(kernel).items() if not name.startswith("__") and not inspect.ismodule(value)]
METHODS = [name for name in dir(kernel.socket) if not name.startswith("__")]


def parameters(function):
    return [
        (each.name if each.kind is not each.POSITIONAL_ONLY else "", each.kind, each.default)
        for each in inspect.signature(function).parameters.values()
        if each.name != "stack"
    ]


def test_the_module_has_each_name_of_the_stdlibs():
    assert {name for name in NAMES if not hasattr(ours, name)} == set(NAMES) & set(LEFT_OUT)


def test_what_is_no_function_is_the_stdlibs_own_object():
    own = {"socket", "SocketType", "has_ipv6"}
    for name in set(NAMES) - own - set(LEFT_OUT):
        value = getattr(kernel, name)
        if not isinstance(value, types.FunctionType | types.BuiltinFunctionType):
            assert getattr(ours, name) is value
    assert isinstance(ours.AF_INET, enum.IntEnum)


def test_functions_take_what_the_stdlibs_take():
    for name in set(NAMES) - set(LEFT_OUT):
        theirs, mine = getattr(kernel, name), getattr(ours, name)
        if mine is not theirs and isinstance(theirs, types.FunctionType):  # what is built in does not tell
            assert parameters(mine) == parameters(theirs), name


def test_a_star_import_is_the_stdlibs():
    assert set(ours.__all__) == set(kernel.__all__)


def test_the_class_has_each_name_of_the_stdlibs():
    missing = {name for name in METHODS if not hasattr(ours.socket, name)}
    assert missing == set(METHODS) & set(LEFT_OUT)


def test_methods_take_what_the_stdlibs_take():
    for name in set(METHODS) - {"_real_close"}:  # whose argument is for subclasses of C's class
        theirs = getattr(kernel.socket, name)
        if isinstance(theirs, types.FunctionType):
            assert parameters(getattr(ours.socket, name)) == parameters(theirs), name


def test_no_attribute_can_be_invented(hosts):
    with hosts.left.socket() as mine, pytest.raises(AttributeError):
        mine.invented = 1


def test_family_type_and_proto_are_what_was_asked_for(hosts):
    for asked in ((), (2, 1, 6), (2, 2), (2, 2, 17), (-1, kernel.SOCK_DGRAM | ours.SOCK_NONBLOCK)):
        with hosts.left.socket(*asked) as mine, kernel.socket(*asked) as theirs:
            for name in ("family", "type", "proto", "timeout"):
                assert getattr(mine, name) == getattr(theirs, name)
                assert type(getattr(mine, name)) is type(getattr(theirs, name))


def test_an_accepted_socket_is_a_plain_one_with_its_listeners_proto(hosts):  # as the stdlib's accept makes it
    class Counting(ours.socket):
        def __init__(self, **options):
            super().__init__(**options)
            self.count = 0

    with Counting(stack=hosts.left) as listener, hosts.left.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        with listener.accept()[0] as served:
            assert (type(served), served.proto) == (ours.socket, 0)


def test_a_socket_is_not_pickled_nor_copied(hosts):
    import copy
    import pickle

    for made in (hosts.left.socket(), kernel.socket()):
        with made:
            for attempt in (pickle.dumps, copy.copy):
                with pytest.raises(TypeError, match="cannot pickle 'socket' object"):
                    attempt(made)


def test_audit_hooks_see_sockets_that_are_made(hosts):
    seen = []
    hooked = [seen.append]
    sys.addaudithook(lambda event, what: hooked and event == "socket.__new__" and hooked[0](what))
    with hosts.left.socket(kernel.AF_INET, kernel.SOCK_DGRAM) as made:
        hooked.clear()
        assert seen == [(made, kernel.AF_INET, kernel.SOCK_DGRAM, 0)]


def test_repr_has_the_stdlibs_shape_with_the_host_and_the_state(connection):
    client, _ = connection
    assert "family=2, type=1, proto=0" in repr(client)
    assert f"laddr={client.getsockname()}, raddr=('10.0.0.2', 7000), host='left', ESTABLISHED>" in repr(client)
    client.close()
    assert repr(client) == "<stack.socket.socket [closed] fd=-1, family=2, type=1, proto=0>"


def test_what_has_nothing_to_do_with_a_network_is_the_kernels(hosts):
    one, other = ours.socketpair()
    with one, other, ours.socket(ours.AF_UNIX, stack=hosts.left) as local:
        assert (one.family, local.family) == (kernel.AF_UNIX, kernel.AF_UNIX)
        one.send(b"x")
        assert other.recv(1) == b"x"


@pytest.mark.parametrize("family", ["AF_INET6", "AF_VSOCK", "AF_CAN", "AF_PACKET", "AF_NETLINK", "AF_BLUETOOTH"])
def test_other_families_are_refused_as_by_a_kernel_without_them(hosts, family):
    with pytest.raises(OSError, match="Address family not supported"):
        hosts.left.socket(getattr(kernel, family, 31))


def test_a_program_does_not_name_its_host():
    with pytest.raises(PermissionError):
        ours.sethostname("other")
    with pytest.raises(TypeError):
        ours.sethostname(5)


def test_the_stdlibs_sentinel_means_no_time_out_of_ones_own(hosts):  # http.client passes it on
    with hosts.right.create_server(("", 7001)):
        unset = kernel._GLOBAL_DEFAULT_TIMEOUT
        with hosts.left.create_connection(("10.0.0.2", 7001), unset) as client:
            assert client.gettimeout() is None


@pytest.mark.parametrize("level", ["SO_", "IP_", "TCP_"])
def test_no_two_options_of_a_level_have_one_number(level):
    """Also where the interpreter's numbers are not Linux', which has names that it lacks."""
    names = {**vars(constants), **vars(linux)}
    numbers = [names[name] for name in names if name.startswith(level) and name != "IP_MAX_MEMBERSHIPS"]
    assert len(set(numbers)) == len(numbers) > 8
