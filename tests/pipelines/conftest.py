"""The loopback Hub, for the tests of what is loaded from it."""

from tests.loopback_hub.fixture import loopback_hub

__all__ = ["loopback_hub"]
