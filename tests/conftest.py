"""What every test shares."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared_machine")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Give the loop that ships: asyncio under uvloop."""
    return "asyncio", {"use_uvloop": True}
