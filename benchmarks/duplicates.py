"""Measure how many planted copies of real radiographs the audit finds, and how it groups a million hashes.

    COLLES_DATA=DIR python benchmarks/duplicates.py planted [--originals 40] [--strangers 200] [--peer]
    COLLES_DATA=DIR python benchmarks/duplicates.py alone [--originals 400] [--strangers 200] [--peer]
    COLLES_DATA=DIR python benchmarks/duplicates.py grouping [--sizes 10000 100000 1000000]

`planted`: real files, one a base name, each copied once for every kind of change; recall by kind and false merges, of
the audit, of a plain 64-bit pHash (distance 10 at most) and, with --peer, of imagededup's PHash at its default distance
of 10 where it is installed. A false merge joins files of different originals; pairs that a person has looked at and
found to be one limb exposed or exported twice are listed in SEEN and do not count.
`alone`: the same with a single copy of each original, of the kinds in turn, so that no other copy can lead to it.
`grouping`: background hashes mix the bits of two real ones; planted clusters differ by up to the radius of the audit.
Each part is written into benchmarks/duplicates.json, the other one kept.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import polars as pl
from changes import KINDS, Rng
from machine import describe
from PIL import Image

from colles.core.files import read_json, write_json
from colles.core.provenance import package_versions
from colles.core.recipe import AuditRecipe
from colles.datasets.audit.canvases import describe_files
from colles.datasets.audit.duplicates import find_duplicates
from colles.datasets.audit.hash_pairs import near_rows
from colles.datasets.audit.hashes import framed_hashes
from colles.datasets.union_find import Groups
from colles.imaging.read import read_image, to_grey

RESULT = Path(__file__).with_suffix(".json")
SEEN: frozenset[frozenset[str]] = frozenset()
"""Pairs of originals, by file name, that are one limb twice."""
_PLAIN_DISTANCE = 10  # of 64 bits: imagededup's default


def real_files(root: Path, count: int, seed: int) -> list[Path]:
    """Draw readable files, one a base name, half of them of each set."""
    rng = np.random.default_rng(seed)
    found: list[Path] = []
    for folder in ("FracAtlas", "bonefractureyolo"):
        names: set[str] = set()
        files = sorted((root / folder).rglob("*.jpg"))
        for place in rng.permutation(len(files)):
            name = files[place].name.split(".rf.")[0]
            if len(names) < (count + 1) // 2 and name not in names and _readable(files[place]):
                names.add(name)
                found.append(files[place])
    return found


def _readable(path: Path) -> bool:
    try:
        read_image(path)
    except Exception:  # the set holds truncated files
        return False
    return True


def planted(root: Path, originals: int, strangers: int, peer: bool, *, alone: bool, seed: int = 0) -> dict[str, Any]:
    """Plant copies of all kinds of each original, or a single one, and count what each method finds."""
    files = real_files(root, originals + strangers, seed)
    rng = np.random.default_rng(seed)
    kinds = list(KINDS)
    copied = {
        int(number): kinds[place % len(kinds) :][:1] if alone else kinds
        for place, number in enumerate(rng.permutation(len(files))[:originals])
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        owner, kind = _write(files, copied, folder, rng)
        methods: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
            "colles": lambda: _audit_pairs(folder),
            "plain pHash, 64 bits": lambda: _plain_pairs(folder),
        }
        if peer:
            methods["imagededup PHash"] = lambda: _imagededup_pairs(folder)
        results = {}
        for name, method in methods.items():
            start, cpu = time.perf_counter(), time.process_time()
            pairs = list(method())
            spent = time.perf_counter() - start, time.process_time() - cpu
            results[name] = {**_score(pairs, owner, kind, files), "seconds": round(spent[0], 1)}
            results[name]["cpu_seconds"] = round(spent[1], 1)
    counts = {"originals": len(copied), "strangers": len(files) - len(copied), "images": len(owner)}
    return {**counts, "copies_of_a_kind": sum(kinds[0] in chosen for chosen in copied.values()), "methods": results}


def _write(
    files: list[Path], copied: dict[int, list[str]], folder: Path, rng: Rng
) -> tuple[dict[str, int], dict[str, str]]:
    owner, kind = {}, {}
    for number, path in enumerate(files):
        grey = to_grey(read_image(path))
        pictures = {"original": grey} | {name: KINDS[name](grey, rng) for name in copied.get(number, ())}
        for place, (name, pixels) in enumerate(pictures.items()):
            file = f"{number:05}-{place:02}.png"
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / file, compress_level=1)
            owner[file], kind[file] = number, name
    return owner, kind


def _audit_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    names = sorted(path.name for path in folder.iterdir())
    columns = {
        name: pl.Series(name, [None] * len(names), dtype=pl.String) for name in ("base_name", "pixel_sha256", "sha256")
    }
    frame = pl.DataFrame({"image_id": names, "path": [str(folder / name) for name in names]})
    frame = frame.with_columns(*columns.values(), status=pl.lit("ok"), source=pl.lit("planted"))
    for pair in find_duplicates(frame, AuditRecipe()).near:
        yield pair.first, pair.second


def _plain_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    names = sorted(path.name for path in folder.iterdir())
    bits = np.stack([imagehash.phash(Image.open(folder / name)).hash.ravel() for name in names])
    apart = bits.astype(np.float32) @ (1 - bits.T.astype(np.float32))
    rows, columns = np.nonzero(apart + apart.T <= _PLAIN_DISTANCE)
    yield from ((names[row], names[column]) for row, column in zip(rows, columns, strict=True) if row < column)


def _imagededup_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    from imagededup.methods import PHash  # type: ignore[import-not-found]

    found = PHash(verbose=False).find_duplicates(image_dir=str(folder), max_distance_threshold=_PLAIN_DISTANCE)
    yield from ((name, other) for name, others in found.items() for other in others)


def _score(
    pairs: list[tuple[str, str]], owner: dict[str, int], kind: dict[str, str], files: list[Path]
) -> dict[str, Any]:
    # Copies count as found where they end in one cluster with their original through pairs of that original alone.
    own: Groups[str] = Groups(owner)
    false = set()
    for one, other in pairs:
        if owner[one] == owner[other]:
            own.join(one, other)
        elif frozenset((files[owner[one]].name, files[owner[other]].name)) not in SEEN:
            false.add(tuple(sorted((owner[one], owner[other]))))
    original = {owner[file]: file for file in owner if kind[file] == "original"}
    found = {file: own.joined(file, original[owner[file]]) for file in owner if kind[file] != "original"}
    recall = {name: float(np.mean([found[file] for file in found if kind[file] == name])) for name in KINDS}
    missed = [[files[owner[file]].name, kind[file]] for file in found if not found[file]]
    named = [[files[one].name, files[other].name] for one, other in sorted(false)]
    merges: Groups[int] = Groups()
    count = sum(merges.join(one, other) for one, other in sorted(false))
    return {
        "recall": recall,
        "false_merges": count,
        "false_merges_per_1000_images": round(1000 * count / len(owner), 2),
        "pairs_of_different_originals": named[:50],
        "missed": missed[:20],
    }


def grouping(root: Path, sizes: list[int], seed: int = 0) -> dict[str, Any]:
    """Group hashes at the audit's radius; report time, memory and the planted pairs that were found."""
    real = _real_words(root, seed)
    runs = [_group(real, size, AuditRecipe().hash_distance, seed) for size in sizes]
    times = [(run["images"], run["seconds"]) for run in runs]
    growth = np.polyfit(*np.log(np.array(times).T), 1)[0] if len(times) > 1 else None
    return {"radius_bits": AuditRecipe().hash_distance, "runs": runs, "exponent": growth and round(float(growth), 2)}


def _real_words(root: Path, seed: int, count: int = 1000) -> Any:
    return framed_hashes(describe_files([str(path) for path in real_files(root, count, seed)]).waves)


def _group(real: Any, size: int, radius: int, seed: int) -> dict[str, Any]:
    words, partner = _simulate(real, size, radius, seed)
    start, cpu = time.perf_counter(), time.process_time()
    joined = np.arange(len(words))
    found: set[tuple[int, int]] = set()
    for one, other, _ in near_rows(words, radius):
        found.update(zip(one.tolist(), other.tolist(), strict=True))
    groups: Groups[int] = Groups()
    for one, other in found:
        groups.join(one, other)
    spent = time.perf_counter() - start, time.process_time() - cpu
    planted_pairs = list(partner.items())
    return {
        "images": size,
        "hashes": len(joined),
        "planted_pairs": len(planted_pairs),
        "found": sum(groups.joined(one, other) for one, other in planted_pairs),
        "other_pairs": len(found - {(min(pair), max(pair)) for pair in planted_pairs}),
        "seconds": round(spent[0], 1),
        "cpu_seconds": round(spent[1], 1),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def _simulate(real: Any, size: int, radius: int, seed: int) -> tuple[np.ndarray, dict[int, int]]:
    # As many hashes an image as real ones have; one image in a hundred has a copy with 0 to `radius` bits flipped.
    rng = np.random.default_rng(seed)
    rows = round(size * len(real.words) / len(np.unique(real.owner)))
    bits = np.unpackbits(real.words.view(np.uint8), axis=1).astype(bool)
    words = np.empty((rows, 4), np.uint64)
    for start in range(0, rows, 100_000):
        stop = min(rows, start + 100_000)
        one, other = (bits[rng.integers(0, len(bits), stop - start)] for _ in range(2))
        mixed = np.where(rng.random(one.shape, dtype=np.float32) < 0.5, one, other)
        mixed[:, 0] = False
        words[start:stop] = np.packbits(mixed, axis=1).view(np.uint64)
    chosen = rng.permutation(rows)[: 2 * (size // 100)].reshape(2, -1)
    for first, second in chosen.T:
        flips = 1 + rng.permutation(255)[: rng.integers(0, radius + 1)]
        copy = np.unpackbits(words[first].view(np.uint8))
        copy[flips] ^= 1
        words[second] = np.packbits(copy).view(np.uint64)
    return words, {int(first): int(second) for first, second in chosen.T}


def main() -> None:
    """Run one part of the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("part", choices=("planted", "alone", "grouping"))
    parser.add_argument("--originals", type=int, help="default: 40, or 400 with a single copy each")
    parser.add_argument("--strangers", type=int, default=200)
    parser.add_argument("--peer", action="store_true", help="with imagededup, which has to be installed")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--load", default="none", help="what else the machine was doing, in words")
    options = parser.parse_args()
    root = Path(os.environ["COLLES_DATA"])
    if options.part == "grouping":
        found = grouping(root, options.sizes)
    else:
        alone = options.part == "alone"
        originals = options.originals or (400 if alone else 40)
        found = planted(root, originals, options.strangers, options.peer, alone=alone)
    machine = {"machine": describe(), "other_load": options.load}
    known = read_json(options.out) if options.out.exists() else {}
    write_json(options.out, {**known, options.part: {**found, **machine, "versions": package_versions()}})
    print(options.out.read_text("utf-8"))


if __name__ == "__main__":
    main()
