"""Trees of stacks: shares with what is called and without, most first, small branches left out; and py-spy's format."""

from __future__ import annotations

from tests.bench.tree import Stacks, tree, unfolded


def test_a_branch_has_its_own_share_and_that_of_what_it_calls():
    stacks = Stacks({("main", "idle"): 10, ("main", "work"): 30, ("main", "work", "copy"): 60, ("main", "rare"): 1})
    assert tree(stacks) == [
        "100.0   0.0  main",
        " 89.1  29.7    work",
        " 59.4  59.4      copy",
        "  9.9   9.9    idle",
    ]


def test_nothing_found_is_no_tree():
    assert tree(Stacks()) == []


def test_py_spys_stacks_are_read_without_the_way_into_a_thread_and_without_those_asleep():
    begin = "Thread._bootstrap (threading.py);Thread.run (threading.py);Task.call (netif/runtime/tasks.py)"
    text = f"{begin};echo (components/small_services.py) 7\n{begin};RealTime._follow (netif/runtime/realtime.py) 9\n"
    assert unfolded(text) == {("netif/runtime/tasks.py: Task.call", "components/small_services.py: echo"): 7}
