"""A whole campaign, or some of its situations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs, stereolunar_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError

from lunar_bench.honesty.campaign import Campaign
from lunar_bench.honesty.record import HonestyResult, JournalHead, SituationRecord, summarise
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

_SIZE_PX = 512  # of what is rendered, as StereoLunar's

#: Shows how far the work is: what is to be done, and how much of it -> the same, one by one.
Tell = Callable[[Iterable[str], int], Iterable[str]]


@dataclass(frozen=True)
class CampaignOptions:
    """What a campaign is made of.

    Attributes:
        data: Folder in StereoLunar's layout; None = rendered pairs alone.
        rendered: How many pairs are rendered.
        seed: Of the situations.
        rendered_seed: Of what is rendered.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor; None leaves it to the libraries.
        size_px: Side of the rendered images.
    """

    data: Path | None
    rendered: int
    seed: int
    rendered_seed: int = 9000
    bundle: Path | None = None
    threads: int | None = None
    size_px: int = _SIZE_PX

    def pairs(self) -> list[KnownPair]:
        """All pairs.

        Raises:
            InputError: There are none, or one cannot be read.
        """
        pairs = [] if self.data is None else list(stereolunar_pairs(self.data))
        pairs += rendered_pairs(self.rendered, self.size_px, self.rendered_seed)
        if not pairs:
            raise InputError("no pair to damage; give `data` or some `rendered` ones")
        return pairs

    @property
    def words(self) -> str:
        """What pairs, in words."""
        published = [] if self.data is None else ["StereoLunar"]
        rendered = f"{self.rendered} rendered pairs of {self.size_px} px from {self.rendered_seed}"
        return " and ".join([*published, rendered])


def measure_honesty(
    options: CampaignOptions,
    situations: int,
    *,
    journal: Path | None = None,
    tell: Tell = lambda ids, _: ids,
) -> HonestyResult:
    """Run the clean situations and as many damaged ones.

    Args:
        options: What they are made of.
        situations: How many damaged ones.
        journal: A file that keeps every record as it is made. What it holds already is not run
            again.
        tell: See `Tell`.

    Raises:
        InputError: There are no pairs, or the journal is of another campaign.
        OutputError: The journal cannot be written.
    """
    machine = describe_machine()
    with _campaign(options) as campaign:
        digest = campaign.runtime.bundle.digest
        head = JournalHead(
            data=options.words, seed=options.seed, bundle_digest=digest, commit=machine.commit
        )
        kept = Journal(journal, head, SituationRecord)
        clean, damaged = list(campaign.clean_ids()), [str(i) for i in range(situations)]
        wanted = [identity for identity in clean + damaged if identity not in kept.done]
        for identity in tell(wanted, len(wanted)):
            kept.add(campaign.run(identity))
    return summarise(
        options.words,
        options.seed,
        digest,
        [kept.done[identity] for identity in clean],
        [kept.done[identity] for identity in damaged],
        machine,
    )


def run_only(options: CampaignOptions, identities: Sequence[str]) -> list[SituationRecord]:
    """Some situations again, by their ids.

    Raises:
        InputError: There are no pairs.
        UsageError: There is no such situation.
    """
    with _campaign(options) as campaign:
        return [campaign.run(identity) for identity in identities]


@contextmanager
def _campaign(options: CampaignOptions) -> Iterator[Campaign]:
    with (
        opencv_threads(options.threads),
        StereoRuntime.load(options.bundle, threads=options.threads) as runtime,
    ):
        yield Campaign(runtime, options.pairs(), options.seed)
