"""Ask postfix-mta-sts-resolver about DNS records and policy files: questions on stdin, answers on stdout, JSON.

Run by the Python of `out/oracles/venv`. All of its own code runs, from the TXT answer to the line it hands to Postfix;
only DNS and HTTPS below it are replaced, by the bytes of the question.
"""

import asyncio
import base64
import email.message
import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from postfix_mta_sts_resolver import resolver  # type: ignore[import-not-found]
from postfix_mta_sts_resolver.responder import STSSocketmapResponder  # type: ignore[import-not-found]
from postfix_mta_sts_resolver.utils import populate_cfg_defaults  # type: ignore[import-not-found]

DOMAIN = "example.org"


class NoCache:
    """Remembers nothing."""

    async def get(self, _domain: str) -> None:
        """Nothing is there."""

    async def safe_set(self, *_: object) -> None:
        """Nothing is kept."""


@dataclass
class Dns:
    """One TXT answer."""

    records: list[bytes]

    async def query(self, *_: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(text=record) for record in self.records]


@dataclass
class Response:
    """One HTTP answer with status 200."""

    content_type: str | None
    left: bytes
    status: int = 200

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.content_type is None else {"Content-Type": self.content_type}

    @property
    def charset(self) -> Any:
        message = email.message.Message()
        message["Content-Type"] = self.content_type or "application/octet-stream"
        return message.get_param("charset")

    @property
    def content(self) -> "Response":
        return self

    async def read(self, size: int) -> bytes:
        chunk, self.left = self.left[:size], self.left[size:]
        return chunk


@dataclass
class Https:
    """A client session that hears one answer."""

    response: Response

    def get(self, _url: str, **_: object) -> nullcontext[Response]:
        return nullcontext(self.response)


async def ask(question: dict[str, Any]) -> dict[str, Any]:
    """What the resolver says, and what Postfix would be told."""
    body = base64.b64decode(question["body"])
    resolver.aiohttp.ClientSession = lambda **_: nullcontext(Https(Response(question["content_type"], body)))
    zone = {"default_zone": {"strict_testing": True}}  # Postfix is told of `testing` policies as well
    responder = STSSocketmapResponder(populate_cfg_defaults(zone), asyncio.get_running_loop(), NoCache())
    sts = responder._default_zone.resolver
    await sts._resolver.close()
    sts._resolver = Dns([base64.b64decode(record) for record in question["records"]])
    status, found = await sts.resolve(DOMAIN)
    told = await responder.process_request(f"zone {DOMAIN}".encode())
    policy_id, policy = found or ("", {})
    return {"status": status.name, "id": policy_id, "policy": policy, "told": told.decode()}


async def answers(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One after the other."""
    return [await ask(question) for question in questions]


if __name__ == "__main__":
    json.dump(asyncio.run(answers(json.load(sys.stdin))), sys.stdout)
