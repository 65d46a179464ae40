"""Explain a list of images into a folder: pictures, maps and `explanations.json`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from colles.core.files import write_json
from colles.core.machine import usable_cpus
from colles.flow.begun_maps import EXPLANATIONS, BegunMaps
from colles.flow.explain import Item, Shown, look
from colles.flow.localise import Judge
from colles.flow.pictures import Entry, Look, save_shown
from colles.serving.filenames import unique_stems
from colles.serving.maps import MapSource


def explain_images(
    source: MapSource,
    items: Sequence[Item],
    out: Path,
    *,
    style: Look | None = None,
    judge: Judge | None = None,
    sample: int = 50,
    seed: int = 0,
    begun: BegunMaps | None = None,
) -> list[Entry]:
    """Write pictures and maps named after the images, and explanations.json, into `out`; return its entries.

    An image that cannot be read gets one entry with `error`, and the rest goes on; a map that is zero everywhere has
    no peak, and `note` says so. Slow methods see a seeded `sample`. `judge` collects scores against the boxes. What
    `begun` holds is not done again.
    """
    how = style or Look()
    how.check()
    found: dict[int, list[Entry]] = {} if begun is None else dict(begun.kept)
    left = [place for place in range(len(items)) if place not in found]
    stems = unique_stems([item.path for item in items])
    walk = look(source, items, sample=sample, seed=seed, skip=set(found))
    written_behind = _write_behind(walk, [stems[place] for place in left], source, out, how)
    for place, (shown, written) in zip(left, written_behind, strict=True):
        if judge is not None:
            judge.add(shown)
        found[place] = written.result()
        if begun is not None:
            begun.add(place, found[place])
    entries = [entry for place in sorted(found) for entry in found[place]]
    write_json(out / EXPLANATIONS, entries)
    return entries


def _write_behind(
    walk: Iterator[Shown], stems: Sequence[str], source: MapSource, out: Path, how: Look
) -> Iterator[tuple[Shown, Future[list[Entry]]]]:
    # Pictures are encoded beside the computing; the queue is bounded, so that memory does not grow.
    waiting: deque[tuple[Shown, Future[list[Entry]]]] = deque()
    with ThreadPoolExecutor(usable_cpus(), "pictures") as pool:
        for shown, stem in zip(walk, stems, strict=True):
            waiting.append((shown, pool.submit(save_shown, shown, source, out / stem, how)))
            if len(waiting) > 2 * usable_cpus():
                yield waiting.popleft()
        yield from waiting


def mean_seconds(source: MapSource) -> dict[str, tuple[int, float]]:
    """Return by method the number of images that a source has explained and the mean seconds an image."""
    return {name: (len(spent), sum(spent) / len(spent)) for name, spent in source.spent.items() if spent}
