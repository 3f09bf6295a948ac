"""A campaign of flipped bits, and what became of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from lunar_runtime.errors import UsageError

from lunar_bench.record.journal import Journal
from lunar_bench.record.shares import Share, share
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.upsets.bench import Bench
from lunar_bench.upsets.flip import Flip
from lunar_bench.upsets.rates import rates, rates_by, worst
from lunar_bench.upsets.record import GOLDEN, JournalHead, Rates, UpsetRecord, UpsetsResult

Site = Literal["weights", "activations", "inputs", "outputs", "refinement"]
SITES: tuple[Site, ...] = ("weights", "activations", "inputs", "outputs", "refinement")

# S0: of 1000 flips in the other bits of its weights none did harm; a group of so many is quiet.
_GROUP = 32
_CHECKS = 11

#: Shows how far the work is: what is to be done, and how much of it -> the same, one by one.
Tell = Callable[[Iterable[list[Flip]], int], Iterable[list[Flip]]]


@dataclass(frozen=True)
class UpsetOptions:
    """What a campaign is made of.

    Attributes:
        bundle: Of the network; None = the one in the package.
        flips: How many at each site.
        sites: Which.
        seed: Of the flips.
        pairs: How many are rendered; the flips take turns.
        pairs_seed: Of what is rendered.
        threads: Of the processor; None leaves it to the libraries.
        judged: Of the flips at each site, how many are worked out; the guards of memory are asked
            about all. None = all.
    """

    bundle: Path | None
    flips: int
    sites: tuple[Site, ...] = SITES
    seed: int = 1
    pairs: int = 6
    pairs_seed: int = 9000
    threads: int | None = None
    judged: int | None = None


def measure_upsets(
    options: UpsetOptions,
    *,
    journal: Path | None = None,
    tell: Tell = lambda groups, _: groups,
) -> UpsetsResult:
    """Flip bits, one after the other or harmless ones together, and judge what comes of it.

    Args:
        options: What the campaign is made of.
        journal: A file that keeps every record as it is made. What it holds already is not tried
            again.
        tell: See `Tell`.

    Raises:
        UsageError: A site is not known, or the bundle has none.
        BundleError: The bundle cannot be used.
        InputError: The journal is of another campaign.
        OutputError: The journal cannot be written.
    """
    for site in options.sites:
        if site not in SITES:
            raise UsageError(f"`sites` {site}: choose of {', '.join(SITES)}")
    machine = describe_machine()
    with Bench.open(options.bundle, options.pairs, options.pairs_seed, options.threads) as bench:
        manifest = bench.bundle.manifest
        digest = manifest.files[manifest.graph.file].sha256
        head = JournalHead(digest, options.pairs, options.pairs_seed, options.seed)
        kept = Journal(journal, head, UpsetRecord)
        wanted: list[str] = []
        noticed: dict[str, Share] = {}
        for site in options.sites:
            drawn = list(_drawn(bench, site, options))
            flips = drawn[: options.judged]
            wanted += [flip.id for flip in flips]
            groups = list(_groups([flip for flip in flips if flip.id not in kept.done]))
            for group in tell(groups, len(groups)):
                for record in _tried(bench, group):
                    kept.add(record)
            noticed |= _noticed(bench, site, drawn, kept.done)
        records = [kept.done[identity] for identity in wanted]
        return UpsetsResult(
            model_sha256=digest,
            student=manifest.student.id,
            precision=manifest.precision,
            size_px=(manifest.graph.height, manifest.graph.width),
            pairs=[judge.pair.name for judge in bench.judges],
            seed=options.seed,
            flips=len(records),
            rates={"all": rates(records), **rates_by(records, lambda one: one.flip.site)},
            noticed=noticed,
            by_bit=_by_bit(records),
            by_layer=_by_layer(records),
            rounding_deg=max(judge.rounding_deg for judge in bench.judges),
            check_ms=_median_ms(lambda: bench.held.intact(0)),
            pair_ms=_median_ms(lambda: bench.backend.compute(*bench.inputs[0])),
            worst_silent=worst(records, guarded=False),
            worst_undetected=worst(records, guarded=True),
            records=[one for one in records if one.harm.unsafe or one.harm.said],
            machine=machine,
        )


def _drawn(bench: Bench, site: Site, options: UpsetOptions) -> Iterator[Flip]:
    """The flips of a site: each depends on the seed and its own number alone."""
    for number in range(options.flips):
        rng = np.random.default_rng([options.seed, SITES.index(site), number])
        flip = bench.draw(site, f"{site}-{number}", number % options.pairs, rng)
        if flip is not None:
            yield flip


def _noticed(
    bench: Bench, site: Site, flips: Sequence[Flip], done: Mapping[str, UpsetRecord]
) -> dict[str, Share]:
    """Of all flips at a site, those that guards of the place notice, whatever they would do."""
    counts: Counter[str] = Counter()
    for flip in flips:
        known = done.get(flip.id)
        guards = bench.guards(flip) if known is None else known.guards
        counts.update(name for name in guards if name != GOLDEN)
    return {f"{site} {name}": share(count, len(flips)) for name, count in sorted(counts.items())}


def _groups(flips: Sequence[Flip]) -> Iterator[list[Flip]]:
    """Flips that are tried together: of one pair, none of a bit that does harm often."""
    together: dict[int, list[Flip]] = {}
    for flip in flips:
        if flip.alone or flip.site == "refinement":
            yield [flip]
            continue
        group = together.setdefault(flip.pair, [])
        group.append(flip)
        if len(group) == _GROUP:
            yield together.pop(flip.pair)
    yield from together.values()


def _tried(bench: Bench, group: list[Flip]) -> Iterator[UpsetRecord]:
    """Records of a group; of its halves where together they do anything."""
    if len(group) == 1:
        yield bench.record(group[0])
        return
    harm = bench.harm(group)
    if not harm.quiet:
        middle = len(group) // 2
        yield from _tried(bench, group[:middle])
        yield from _tried(bench, group[middle:])
        return
    for flip in group:
        guards = bench.guards(flip)
        yield UpsetRecord(
            id=flip.id, flip=flip, group=len(group), harm=harm, refined=None, guards=guards
        )


def _by_bit(records: Sequence[UpsetRecord]) -> dict[str, dict[str, Rates]]:
    kinds = sorted({f"{one.flip.site} {one.flip.dtype}" for one in records})
    return {
        kind: rates_by(
            [one for one in records if f"{one.flip.site} {one.flip.dtype}" == kind],
            lambda one: str(one.flip.bit),
        )
        for kind in kinds
    }


def _by_layer(records: Sequence[UpsetRecord]) -> dict[str, dict[str, Rates]]:
    sites = sorted({one.flip.site for one in records})
    return {
        site: rates_by([one for one in records if one.flip.site == site], _layer) for site in sites
    }


def _layer(record: UpsetRecord) -> str:
    where = record.flip.where
    if record.flip.site == "refinement":
        return where.rsplit(" ", 2)[0]
    parts = [part for part in where.replace("/", ".").split(".") if part not in ("", "student")]
    return parts[0].rstrip("_0123456789") if parts else where


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_CHECKS):
        started = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - started))
    return round(float(np.median(times)), 3)
