"""What the fixtures of `netif.pytest_plugin` do: how a test's Lan is made, and what is told of a failure."""
