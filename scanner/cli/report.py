"""The manifest of a run that is complete.

Touches: nothing. Source: docs/record.md (manifest).
"""

import platform
import ssl

from scanner import __version__, manifest, schema
from scanner.checkpoint import Checkpoint
from scanner.cli.configuration import effective
from scanner.cli.exits import Exit
from scanner.cli.job import Job
from scanner.cli.network import Network
from scanner.cli.version import c_ares, openssl
from scanner.manifest import Manifest, Named, ResolverUsed, SourceUsed, State, Versions
from scanner.protocols import special_blocks
from scanner.tally import Tally


def manifest_of(job: Job, network: Network, run: Checkpoint, tally: Tally, code: Exit) -> bytes:
    """Write down what the run was."""
    figures = network.paced.figures()
    return manifest.encode(
        Manifest(
            run_id=run.run_id,
            state=State.COMPLETE,
            exit_code=code,
            started_at=run.started_at,
            finished_at=job.clock.now(),
            interruptions=run.interruptions,
            clock_steps=network.steps.seen,
            versions=versions(),
            settings=effective(job.chosen),
            settings_sha256=job.settings_digest,
            input=job.list_identity,
            seed=run.seed,
            sources=sources(job, dict(figures.connections)),
            canaries=network.canaries.latest(),
            resolvers=(ResolverUsed(network.bulk.name, network.validates),),
            trust_store=Named(job.trust.name, job.trust.sha256),
            exclusions=Named(job.exclusions.path, job.exclusions.versions[-1].sha256) if job.exclusions.path else None,
            exclusions_versions=job.exclusions.versions,
            special_addresses_date=special_blocks.PUBLISHED,
            pace=dict(figures.highest_per_s),
            latency_ms=tally.latency_ms(),
            families=dict(tally.families),
            parked=tuple(f"{source or 'default'} at {provider}: {why}" for source, provider, why in figures.parked),
            tally=tally,
        )
    )


def versions() -> Versions:
    """Name what ran."""
    return Versions(
        scanner=__version__,
        record_schema=schema.VERSION,
        python=platform.python_version(),
        openssl=openssl(),
        python_openssl=ssl.OPENSSL_VERSION,
        c_ares=c_ares(),
        kernel=platform.release(),
    )


def sources(job: Job, connections: dict[str, int]) -> tuple[SourceUsed, ...]:
    """Name our addresses, and how many connections each made in this part of the run."""
    return tuple(
        SourceUsed(each.name, each.address, each.role, each.ehlo_name, connections=connections.get(each.address, 0))
        for each in job.settings.sources
    )
