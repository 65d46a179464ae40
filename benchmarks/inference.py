"""Measure prediction, real JPEG in and decision out, against the same network in eager torch with a DataLoader.

    python benchmarks/inference.py BUNDLE IMAGES... [--seconds 4] [--rounds 3] [--parts speed starts memory]

The peer is run as it comes and with the allocator settings of `colles train`, channels-last, with two loading
processes that prefetch between the slices. `pure` is ONNX Runtime alone on one prepared array, again and again: as it
comes, on one session of all threads and on a thread an image; the fastest one counts (several images in one call are
slower at these sizes, docs/experiments.md). All configurations take turns in short slices, in processes that stay
alive, for `--rounds` or until `--limit` is over.
`starts` are `colles --help` and the first answer on one small file, `memory` is the peak over `--files` images. A part
replaces its own section of benchmarks/inference.json and leaves the others.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colles.core.files import read_json, write_json
from colles.core.machine import usable_cpus
from colles.core.provenance import package_versions
from colles.core.recipe import PreprocessRecipe
from colles.imaging.preprocess import to_canvas, to_input
from colles.imaging.read import read_image
from colles.serving.bundle import INT8_MODEL, MODEL, find_bundle, load_bundle
from colles.serving.decode import Sample, decode
from colles.serving.inputs import find_images
from colles.serving.predictor import Predictor
from colles.serving.session import INPUT, Session

sys.path.insert(0, str(Path(__file__).parent))
from machine import describe
from starts import memory, starts

RESULT = Path(__file__).with_suffix(".json")
BATCHES = (1, 16)
PARTS = ("speed", "starts", "memory")
Slice = Callable[[float], float]
"""Work for so many seconds and return images a second."""


def rate(step: Callable[[], int], seconds: float) -> float:
    """Repeat a step that returns its images, for at least `seconds`."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += step()
    return done / (time.perf_counter() - started)


def torch_slices(bundle: Path, paths: list[Path]) -> dict[str, Slice]:
    """Return eager torch behind a DataLoader, by batch."""
    import torch
    from torch.utils.data import DataLoader, IterableDataset

    from colles.learning.checkpoint import load_classifier

    model, preprocess = load_classifier(bundle)
    model = model.to(memory_format=torch.channels_last).eval()

    class Endless(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            for path in itertools.cycle(paths):
                yield torch.from_numpy(to_input(to_canvas(read_image(path), preprocess), preprocess))

    def slices(batch: int) -> Slice:
        loaded = iter(DataLoader(Endless(), batch_size=batch, num_workers=2))

        def step() -> int:
            with torch.inference_mode():
                images = next(loaded).contiguous(memory_format=torch.channels_last)
                return len(torch.sigmoid(model(images)).numpy())

        step()
        return lambda seconds: rate(step, seconds)

    return {f"batch {batch}": slices(batch) for batch in BATCHES}


def own_slices(bundle: Path, paths: list[Path]) -> dict[str, Slice]:
    """Return prediction as `colles predict` does it, and ONNX Runtime alone, by precision and batch."""
    loaded = load_bundle(bundle)
    found: dict[str, Slice] = {}
    for precision, graph in (("fp32", MODEL), ("int8", INT8_MODEL)):
        if graph not in loaded.manifest.files:
            continue
        predictor = Predictor(loaded, precision=precision)  # type: ignore[arg-type]
        for batch in (*BATCHES, "auto"):
            found[f"{precision}, batch {batch}"] = _predict(predictor, paths, batch)
        found[f"pure {precision}, as it comes"] = _as_it_comes(loaded, graph)
        found[f"pure {precision}, one session"] = _pure(loaded, graph, usable_cpus())
        found[f"pure {precision}, a thread an image"] = _pure(loaded, graph, 1)
    return found


def _predict(predictor: Predictor, paths: list[Path], batch: Any) -> Slice:
    predictor.predict_batch(paths[:4])
    # All images from the first to the last: neither a full queue at the start nor work thrown away at the end.
    return lambda seconds: rate(lambda: len(predictor.predict_batch(paths, batch=batch)), seconds)


def _as_it_comes(loaded: Any, graph: str) -> Slice:
    import onnxruntime  # after colles, which turns its reports to its maker off

    session = onnxruntime.InferenceSession(loaded.read(graph), providers=["CPUExecutionProvider"])
    feed = {INPUT: _noise(loaded.metadata.preprocessing)}
    session.run(["logit"], feed)
    return lambda seconds: rate(lambda: len(session.run(["logit"], feed)[0]), seconds)


def _noise(recipe: PreprocessRecipe) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((1, recipe.channels, recipe.size, recipe.size), dtype=np.float32)


def _pure(loaded: Any, graph: str, threads: int) -> Slice:
    recipe = loaded.metadata.preprocessing
    session, array = Session(loaded.read(graph), recipe, threads=threads), _noise(recipe)
    workers = usable_cpus() // threads

    def work(seconds: float) -> float:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(lambda _: rate(lambda: len(session.run(array).score), seconds), range(workers)))

    work(0.2)
    return work


class Process:
    """A configuration in a process of its own, which measures a slice when it is told to."""

    def __init__(self, kind: str, bundle: Path, listed: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, __file__, str(bundle), str(listed), "--worker", kind]
        env = {**os.environ, **environment}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.names: list[str] = json.loads(self._line())

    def measure(self, name: str, seconds: float) -> float:
        """Return images a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, seconds]) + "\n")
        self._process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a worker ended early")
        return line


def work(kind: str, bundle: Path, paths: list[Path]) -> None:
    """Answer requests on standard input."""
    slices = (torch_slices if kind == "torch" else own_slices)(bundle, paths)
    print(json.dumps(list(slices)), flush=True)
    for line in sys.stdin:
        name, seconds = json.loads(line)
        print(slices[name](seconds), flush=True)


def summarise(rates: dict[str, float]) -> dict[str, float]:
    """Return the ratios that are asked for."""
    found = {}
    for precision in ("fp32", "int8"):
        for batch in BATCHES:
            own = rates.get(f"own: {precision}, batch {batch}")
            if own is None:
                continue
            for peer in ("torch as it comes", "torch, allocator set"):
                found[f"{precision} over {peer}, batch {batch}"] = round(own / rates[f"{peer}: batch {batch}"], 2)
            pure = max(rate for name, rate in rates.items() if name.startswith(f"own: pure {precision},"))
            found[f"{precision} end to end over pure ONNX Runtime, batch {batch}"] = round(own / pure, 2)
    return found


def measure_speed(bundle: Path, paths: list[Path], seconds: float, rounds: int, limit: float) -> dict[str, Any]:
    """Let all configurations take turns, and return their rates and ratios."""
    from colles.learning.training.allocator import environment

    recipe = load_bundle(bundle).metadata.preprocessing
    # The peer's loader ends at the first truncated file.
    paths = [path for path in paths if isinstance(decode(path, recipe), Sample)]
    listed = Path(tempfile.gettempdir(), f"inference-{os.getpid()}.txt")
    listed.write_text("\n".join(map(str, paths)), encoding="utf-8")
    processes = {
        "own": Process("own", bundle, listed, {}),
        "torch as it comes": Process("torch", bundle, listed, {}),
        "torch, allocator set": Process("torch", bundle, listed, environment()),
    }
    print("all processes are ready", file=sys.stderr, flush=True)
    slices: dict[str, list[float]] = {f"{kind}: {name}": [] for kind, each in processes.items() for name in each.names}
    started = time.perf_counter()
    try:
        for key, measured in itertools.chain.from_iterable(itertools.repeat(list(slices.items()), rounds)):
            # Every configuration is measured at least once, whatever the limit says.
            if time.perf_counter() - started > limit and measured:
                break
            kind, name = key.split(": ", 1)
            measured.append(processes[kind].measure(name, seconds))
    finally:
        for process in processes.values():
            process.close()
        listed.unlink()
    rates = {key: round(statistics.median(measured), 2) for key, measured in slices.items()}
    return {
        "images": len(paths),
        "images_per_second": rates,
        "spread": {key: [round(min(each), 2), round(max(each), 2)] for key, each in slices.items()},
        "ratios": summarise(rates),
        # Of the fastest slices: what is left of other load has the least say there.
        "ratios_of_the_fastest": summarise({key: max(measured) for key, measured in slices.items()}),
        "seconds_a_slice": seconds,
        "slices": min(map(len, slices.values())),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", nargs="+")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=3600.0, help="Seconds after which no slice of speed begins.")
    parser.add_argument("--most", type=int, default=128, help="Images for the speed, at even distances.")
    parser.add_argument("--files", type=int, default=3000, help="Images for the memory.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--note", default="nothing else was running", help="What else the machine did.")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        listed = Path(options.images[0]).read_text(encoding="utf-8").splitlines()
        return work(options.worker, options.bundle, [Path(path) for path in listed])
    everything = [image for image in find_images(options.images) if isinstance(image, Path)]
    bundle = find_bundle(options.bundle)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "speed": lambda: measure_speed(
            bundle, _spread(everything, options.most), options.seconds, options.rounds, options.limit
        ),
        "starts": lambda: starts(bundle, everything),
        "memory": lambda: memory(bundle, _spread(everything, options.files)),
    }
    told = load_bundle(bundle).metadata
    result = read_json(options.out) if options.out.is_file() else {}
    result["bundle"] = {"network": told.model.get("name"), "size": told.preprocessing.size, "name": told.label}
    result |= {"machine": describe(), "threads": usable_cpus(), "versions": package_versions()}
    for name in options.parts:
        result[name] = {**parts[name](), "other_load": options.note}
        print(json.dumps(result[name], indent=1))
        write_json(options.out, result)


def _spread(paths: list[Path], most: int) -> list[Path]:
    return paths[:: max(1, len(paths) // most)][:most]


if __name__ == "__main__":
    main()
