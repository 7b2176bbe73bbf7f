"""The fixture: a fresh, empty Hub for each test."""

from collections.abc import Iterator

import pytest

from tests.loopback_hub import LoopbackHub


@pytest.fixture
def loopback_hub() -> Iterator[LoopbackHub]:
    """A running Hub of the user "tester", stopped after the test."""
    with LoopbackHub() as hub:
        yield hub
