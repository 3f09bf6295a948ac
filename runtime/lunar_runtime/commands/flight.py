"""Options of `lunar-infer` for a vehicle: in time, and watched."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lunar_runtime.commands.values import metres
from lunar_runtime.inference.self_test import EVERY, SELF_TESTS

if TYPE_CHECKING:
    from lunar_runtime.guard.health import Health
    from lunar_runtime.guard.sequence import Altimeter, Sequence
    from lunar_runtime.inference.options import InferOptions
    from lunar_runtime.inference.pipeline import StereoRuntime
    from lunar_runtime.landing.lander import Lander

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(command: _Function) -> _Function:
    """What a vehicle asks beside a map: its deadline, its guards, and who is told."""
    for option in (
        click.option(
            "--self-test-every",
            type=click.IntRange(1),
            default=EVERY,
            show_default=True,
            help="Pairs from one self-test to the next.",
        ),
        click.option(
            "--self-test",
            type=click.Choice(SELF_TESTS),
            default="load",
            show_default=True,
            help="Run the bundle's golden pair and compare: before the first pair (`load`); then "
            "too, and before every --self-test-every pairs (`period`); or never.",
        ),
        click.option(
            "--mlock",
            is_flag=True,
            expose_value=False,
            callback=_lock,
            help="Lock the process's memory, so that none of it goes to disk; an error where the "
            "system does not allow it.",
        ),
        click.option(
            "--watchdog",
            is_flag=True,
            help="Run the network in a process of its own, which is ended and started again when "
            "it hangs. Costs a second at the start and the memory of another interpreter.",
        ),
        click.option(
            "--health",
            metavar="FILE|udp://HOST:PORT",
            help="A line of JSON a pair, and a ping a second, into a file or as datagrams; as "
            "CCSDS space packets with ccsds:FILE or ccsds+udp://HOST:PORT.",
        ),
        click.option(
            "--altimeter-m",
            type=click.FloatRange(min=0, min_open=True),
            callback=metres,
            help="Height above the scene's plane, as an altimeter says: a result that has another "
            "one is a guess. It makes no metres; see --altitude-m.",
        ),
        click.option(
            "--sequence",
            is_flag=True,
            help="The pairs are one vehicle's, in order: an image that is that of the pair before "
            "makes a guess.",
        ),
        click.option(
            "--deadline-ms",
            type=click.FloatRange(min=0, min_open=True),
            help="From a pair's images to its result: the best that fits is given, down to an "
            "earlier pair's result with its age. What pairs cost is measured first. Writing comes "
            "after.",
        ),
    ):
        command = option(command)
    return command


def _lock(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        from lunar_runtime.guard.locked_memory import lock_memory

        lock_memory()


def vehicle(
    path: Path | None, aim: tuple[float, float] | None, wanted: InferOptions
) -> Lander | None:
    """The vehicle whose places are wanted; None where nobody asked.

    Raises:
        InputError: Its file cannot be used.
    """
    if path is None:
        if aim is not None:
            raise click.UsageError("--aim is a lander's; give --lander.")
        return None
    if wanted.view == "right":
        raise click.UsageError("--lander needs the left view; leave out --view right.")
    from lunar_runtime.landing.lander import read_lander

    return read_lander(path)


def told(
    health: str | None, runtime: StereoRuntime | None
) -> AbstractContextManager[Health | None]:
    """What tells of the runtime's health, open; None where nobody asked.

    Raises:
        UsageError: `health` names no place.
        OutputError: Its file cannot be opened.
    """
    if health is None:
        return nullcontext()
    from lunar_runtime.guard.health import Health
    from lunar_runtime.guard.health_sink import open_sink

    if runtime is None:
        return Health(open_sink(health))
    return Health(
        open_sink(health),
        restarts=lambda: runtime.restarts,
        scrub=lambda: asdict(runtime.scrub_record),
        activations=lambda: asdict(runtime.activation_record),
    )


def watched(in_order: bool, altimeter_m: float | None) -> tuple[Sequence | None, Altimeter | None]:
    """What watches the pairs, and what the altimeter says; None where nobody asked."""
    if not in_order and altimeter_m is None:
        return None, None
    from lunar_runtime.guard.sequence import Altimeter, Sequence

    altimeter = None if altimeter_m is None else Altimeter(altimeter_m)
    return Sequence(in_order=in_order), altimeter
