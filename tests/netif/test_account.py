"""Memory that many draw on: limits one above the other, pressed together, given back."""

from netif.account import Account


def test_over_its_limit_it_is_pressed_until_three_quarters_are_left():
    account = Account(1000)
    account.charge(1000)
    assert not account.pressed
    account.charge(1)
    assert account.pressed
    account.charge(-250)
    assert account.pressed
    account.charge(-1)
    assert not account.pressed


def test_what_is_held_counts_above_too_and_presses_all_below():
    above = Account(1000)
    told = []
    one, other = Account(5000, above, lambda: told.append("one")), Account(5000, above, lambda: told.append("other"))
    one.charge(900)
    other.charge(200)
    assert above.held == 1100
    assert one.pressed
    assert other.pressed
    assert told == ["one", "other"]
    one.charge(-500)
    assert [account.pressed for account in (above, one, other)] == [False, False, False]


def test_one_that_is_over_its_own_limit_does_not_press_the_others():
    above = Account(1000)
    one, other = Account(100, above), Account(100, above)
    one.charge(200)
    assert one.pressed
    assert not other.pressed
    assert not above.pressed


def test_its_own_limit_still_counts_when_the_one_above_is_free_again():
    above = Account(1000)
    one, other = Account(100, above), Account(2000, above)
    one.charge(200)
    other.charge(900)
    other.charge(-900)
    assert one.pressed
    assert not other.pressed


def test_one_that_ends_gives_back_what_it_held():
    above = Account(1000)
    one, other = Account(5000, above), Account(5000, above)
    one.charge(2000)
    assert other.pressed
    one.close()
    one.close()
    assert above.held == 0
    assert not other.pressed
    one.charge(-2000)
    assert above.held == 0


def test_one_that_comes_while_the_one_above_is_pressed_begins_so():
    above = Account(1000)
    above.charge(2000)
    assert Account(5000, above).pressed
