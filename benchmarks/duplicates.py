"""Measure how many planted copies of real radiographs the audit finds, and how it groups a million hashes.

    COLLES_DATA=DIR python benchmarks/duplicates.py planted [--originals 40] [--strangers 200] [--peer]
    COLLES_DATA=DIR python benchmarks/duplicates.py grouping [--sizes 10000 100000 1000000]

`planted`: real files, one a base name, each copied once for every kind of change; recall by kind and false merges, of
the audit, of a plain 64-bit pHash (distance 10 at most) and, with --peer, of imagededup's PHash at its default distance
of 10 where it is installed. A false merge joins files of different originals; pairs that a person has looked at and
found to be one limb exposed or exported twice are listed in SEEN and do not count.
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

import cv2
import imagehash
import numpy as np
import polars as pl
from machine import describe
from PIL import Image

from colles.core.files import read_json, write_json
from colles.core.provenance import package_versions
from colles.core.recipe import AuditRecipe
from colles.datasets.audit.canvases import describe_files
from colles.datasets.audit.duplicates import find_duplicates
from colles.datasets.audit.groups import Groups
from colles.datasets.audit.hash_pairs import near_rows
from colles.datasets.audit.hashes import framed_hashes
from colles.imaging.read import read_image, to_grey

RESULT = Path(__file__).with_suffix(".json")
SEEN: frozenset[frozenset[str]] = frozenset()
"""Pairs of originals, by file name, that are one limb twice."""
_PLAIN_DISTANCE = 10  # of 64 bits: imagededup's default

Grey = np.ndarray
Rng = np.random.Generator


def reencoded(grey: Grey, rng: Rng) -> Grey:
    """Save as JPEG of quality 20–60."""
    coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 60))])[1]
    return cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)


def resized(grey: Grey, rng: Rng) -> Grey:
    """Scale by 0.4–0.8, or by 1.5."""
    factor = rng.uniform(0.4, 0.8) if rng.random() < 0.7 else 1.5
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=way)


def brightness(grey: Grey, rng: Rng) -> Grey:
    """Multiply by 0.7–1.3, or add 10–25 grey levels either way; clipped."""
    by_factor = rng.random() < 0.5
    shift = rng.choice([-1, 1]) * rng.uniform(10, 25)
    values = grey * rng.uniform(0.7, 1.3) if by_factor else grey + shift
    return np.clip(values, 0, 255).astype(np.uint8)


def contrast(grey: Grey, rng: Rng) -> Grey:
    """Spread around the mean by 0.6–1.5, or gamma 0.6–1.6; clipped."""
    if rng.random() < 0.5:
        values = (grey - grey.mean()) * rng.choice([0.6, 0.75, 1.3, 1.5]) + grey.mean()
    else:
        values = 255 * (grey / 255.0) ** rng.choice([0.6, 0.75, 1.4, 1.6])
    return np.clip(values, 0, 255).astype(np.uint8)


def cropped(grey: Grey, rng: Rng) -> Grey:
    """Cut 0–10 % off each of the four sides."""
    height, width = grey.shape
    left, right, top, bottom = rng.uniform(0, 0.1, 4)
    return grey[int(top * height) : height - int(bottom * height), int(left * width) : width - int(right * width)]


def quarter(grey: Grey, rng: Rng) -> Grey:
    """Turn by 90°, 180° or 270°."""
    return np.rot90(grey, int(rng.integers(1, 4)))


def turned(grey: Grey, rng: Rng) -> Grey:
    """Turn by 1–15° either way, on a canvas of the same size or a larger one, with black corners."""
    height, width = grey.shape
    degrees = rng.uniform(1, 15) * rng.choice([-1, 1])
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    size = width, height
    if rng.random() < 0.5:
        cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
        size = int(height * sine + width * cosine), int(height * cosine + width * sine)
        matrix[:, 2] += np.subtract(size, (width, height)) / 2
    return cv2.warpAffine(grey, matrix, size)


def mirrored(grey: Grey, rng: Rng) -> Grey:
    """Swap left and right."""
    return grey[:, ::-1]


def inverted(grey: Grey, rng: Rng) -> Grey:
    """Swap black and white."""
    return 255 - grey


def marker(grey: Grey, rng: Rng) -> Grey:
    """Paint a rectangle of 10–20 % × 6–12 %, black or white, with a letter in it, anywhere."""
    grey = grey.copy()
    height, width = grey.shape
    w, h = int(width * rng.uniform(0.1, 0.2)), int(height * rng.uniform(0.06, 0.12))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    value = int(rng.choice([0, 255]))
    grey[y : y + h, x : x + w] = value
    place = x + w // 4, y + h - h // 5
    cv2.putText(grey, "L", place, cv2.FONT_HERSHEY_SIMPLEX, h / 40, 255 - value, max(1, h // 12))
    return grey


KINDS: dict[str, Callable[[Grey, Rng], Grey]] = {
    "re-encoded": reencoded,
    "resized": resized,
    "brightness": brightness,
    "contrast": contrast,
    "cropped by up to 10 % a side": cropped,
    "turned by quarters": quarter,
    "turned by up to 15°": turned,
    "mirrored": mirrored,
    "inverted": inverted,
    "marker painted over": marker,
}


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


def planted(root: Path, originals: int, strangers: int, peer: bool, seed: int = 0) -> dict[str, Any]:
    """Plant copies and count what each method finds."""
    files = real_files(root, originals + strangers, seed)
    rng = np.random.default_rng(seed)
    copied = set(rng.permutation(len(files))[:originals].tolist())
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
    images = len(files) + len(copied) * len(KINDS)
    return {"originals": len(copied), "strangers": len(files) - len(copied), "images": images, "methods": results}


def _write(files: list[Path], copied: set[int], folder: Path, rng: Rng) -> tuple[dict[str, int], dict[str, str]]:
    owner, kind = {}, {}
    for number, path in enumerate(files):
        grey = to_grey(read_image(path))
        pictures = {"original": grey}
        if number in copied:
            pictures |= {name: change(grey, rng) for name, change in KINDS.items()}
        for name, pixels in pictures.items():
            file = f"{number:05}-{list(pictures).index(name):02}.png"
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / file, compress_level=1)
            owner[file], kind[file] = number, name
    return owner, kind


def _audit_pairs(folder: Path) -> Iterator[tuple[str, str]]:
    names = sorted(path.name for path in folder.iterdir())
    columns = {name: pl.Series(name, [None] * len(names), dtype=pl.String) for name in ("base_name", "pixel_sha256")}
    frame = pl.DataFrame({"image_id": names, "path": [str(folder / name) for name in names], "sha256": names})
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
    recall = {
        name: float(np.mean([own.joined(file, original[owner[file]]) for file in owner if kind[file] == name]))
        for name in KINDS
    }
    named = [[files[one].name, files[other].name] for one, other in sorted(false)]
    merges: Groups[int] = Groups()
    count = sum(merges.join(one, other) for one, other in sorted(false))
    return {
        "recall": recall,
        "false_merges": count,
        "false_merges_per_1000_images": round(1000 * count / len(owner), 2),
        "pairs_of_different_originals": named[:50],
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
    parser.add_argument("part", choices=("planted", "grouping"))
    parser.add_argument("--originals", type=int, default=40)
    parser.add_argument("--strangers", type=int, default=200)
    parser.add_argument("--peer", action="store_true", help="with imagededup, which has to be installed")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--load", default="none", help="what else the machine was doing, in words")
    options = parser.parse_args()
    root = Path(os.environ["COLLES_DATA"])
    if options.part == "planted":
        found = planted(root, options.originals, options.strangers, options.peer)
    else:
        found = grouping(root, options.sizes)
    machine = {"machine": describe(), "other_load": options.load}
    known = read_json(RESULT) if RESULT.exists() else {}
    write_json(RESULT, {**known, options.part: {**found, **machine, "versions": package_versions()}})
    print(RESULT.read_text("utf-8"))


if __name__ == "__main__":
    main()
