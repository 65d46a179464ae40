"""Measure `colles serve` against the predictor behind it: answers a second over HTTP as a share of those without.

    python benchmarks/serving.py BUNDLE IMAGES... [--seconds 4] [--rounds 2] [--threads N]

The server is the program itself on the loopback, asked by as many clients as its threads, and by one. Its peer is
`Predictor.predict` in a loop, all threads on one image, and on a thread an image, as the server computes; both judge
the same bytes with the same threads. Client, server and peer share the cores and take turns in short slices, so a
client elsewhere would see more. Writes benchmarks/serving.json.
"""

from __future__ import annotations

import argparse
import itertools
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from colles.core.files import write_json
from colles.core.machine import usable_cpus
from colles.core.provenance import package_versions
from colles.serving.bundle import find_bundle, load_bundle
from colles.serving.predictor import Predictor

sys.path.insert(0, str(Path(__file__).parent))
from machine import describe

RESULT = Path(__file__).with_suffix(".json")
_MOST = 60.0  # seconds of measuring
Slice = Callable[[float], list[float]]
"""Work for so many seconds and return the seconds of each answer."""


@contextmanager
def server(bundle: Path, threads: int) -> Iterator[int]:
    """Run the program on a free port of the loopback and give the port."""
    command = [
        sys.executable,
        "-m",
        "colles",
        "serve",
        "--bundle",
        str(bundle),
        "--port",
        "0",
        "--threads",
        str(threads),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        try:
            yield int(found[1])
        finally:
            process.send_signal(signal.SIGINT)


def repeated(step: Callable[[bytes], object], files: list[bytes], seconds: float, first: int = 0) -> list[float]:
    """Take the files in turn for `seconds`; return how long each took."""
    found, until = [], time.perf_counter() + seconds
    for data in itertools.islice(itertools.cycle(files), first, None):
        started = time.perf_counter()
        if started >= until:
            return found
        step(data)
        found.append(time.perf_counter() - started)
    return found


def over_http(port: int, files: list[bytes], clients: int, query: str = "") -> Slice:
    """Ask by so many lines at once, each kept open."""

    def client(number: int, seconds: float) -> list[float]:
        line = HTTPConnection("127.0.0.1", port, timeout=60)

        def ask(data: bytes) -> None:
            line.request("POST", f"/api/predict{query}", body=data)
            response = line.getresponse()
            response.read()
            if response.status != 200:
                raise SystemExit(f"the server answered {response.status}")

        found = repeated(ask, files, seconds, number)
        line.close()
        return found

    return lambda seconds: _together(client, clients, seconds)


def without_http(step: Callable[[bytes], object], files: list[bytes], threads: int) -> Slice:
    """Judge on so many threads, each one image at a time."""

    return lambda seconds: _together(lambda number, each: repeated(step, files, each, number), threads, seconds)


def _together(work: Callable[[int, float], list[float]], many: int, seconds: float) -> list[float]:
    with ThreadPoolExecutor(many) as pool:
        return [each for found in pool.map(work, range(many), [seconds] * many) for each in found]


def measure(slices: dict[str, Slice], seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """Let all take turns; return answers a second (the median round's) and the seconds of an answer."""
    for each in slices.values():
        each(0.5)
    rates: dict[str, list[float]] = {name: [] for name in slices}
    took: dict[str, list[float]] = {name: [] for name in slices}
    for _ in range(rounds):
        for name, each in slices.items():
            started = time.perf_counter()
            found = each(seconds)
            rates[name].append(len(found) / (time.perf_counter() - started))
            took[name] += found
    return {
        name: {
            "a_second": round(statistics.median(rates[name]), 2),
            "median_seconds": round(statistics.median(took[name]), 4),
            "slowest_of_20_seconds": round(statistics.quantiles(took[name], n=20)[-1], 4),
        }
        for name in slices
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, default=4.0, help="Of one slice.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=usable_cpus())
    options = parser.parse_args()
    if 5 * options.seconds * options.rounds > _MOST:
        parser.error(f"that is more than {_MOST:g} seconds of measuring")
    bundle, files = find_bundle(options.bundle), [path.read_bytes() for path in options.images]
    predictor, threads = Predictor(load_bundle(bundle), threads=options.threads), options.threads
    with server(bundle, threads) as port:
        found = measure(
            {
                "predict, one after the other": without_http(predictor.predict, files, 1),
                "a thread an image": without_http(lambda data: predictor.explain(data, heat=False), files, threads),
                "serve, one client": over_http(port, files, 1),
                f"serve, {threads} clients": over_http(port, files, threads),
                f"serve with pictures, {threads} clients": over_http(port, files, threads, "?plain=true&overlay=true"),
            },
            options.seconds,
            options.rounds,
        )
    ratios = {
        name: {
            peer: round(told["a_second"] / found[peer]["a_second"], 3)
            for peer in ("predict, one after the other", "a thread an image")
        }
        for name, told in found.items()
        if name.startswith("serve")
    }
    result = {
        "bundle": predictor.bundle.name, "threads": threads, "images": len(files),
        "mean_bytes": round(statistics.mean(map(len, files))), "found": found, "ratio": ratios,
        "machine": describe(), "versions": package_versions(),
    }  # fmt: skip
    write_json(RESULT, result)
    for name, told in found.items():
        print(f"{name:<36}{told['a_second']:>8.1f} a second{told['median_seconds']:>9.3f} s   {ratios.get(name, '')}")


if __name__ == "__main__":
    main()
