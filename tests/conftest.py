"""What every test shares."""

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that ships: asyncio under uvloop."""
    return "asyncio", {"use_uvloop": True}
