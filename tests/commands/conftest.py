"""One lab for all tests of the command."""

import json
import subprocess
import sys
from collections.abc import Iterator

import jsonschema_rs
import orjson
import pytest

from tests.commands.starttls import PATIENCE_S, ROOT, Lab, Silent, starttls


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Serve while there are tests."""
    command = [sys.executable, "-m", "scanner.lab"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Lab(json.loads(process.stdout.readline()))
        process.stdin.close()
        process.wait(PATIENCE_S)


@pytest.fixture
def silent(lab: Lab) -> Iterator[Silent]:
    """Take a place in the lab where nobody listened."""
    peer = Silent(lab)
    yield peer
    peer.leaves()


@pytest.fixture(scope="session")
def row_schema() -> jsonschema_rs.Validator:
    """The contract of rows, as the command prints it."""
    return jsonschema_rs.validator_for(orjson.loads(starttls("schema").out))


@pytest.fixture(scope="session")
def certificate_schema() -> jsonschema_rs.Validator:
    """The contract of certificate lines, as the command prints it."""
    return jsonschema_rs.validator_for(orjson.loads(starttls("schema", "certificate").out))
