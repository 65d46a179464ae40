"""Chunks of images through threads: order, and who takes how many."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np

from colles.imaging.read import to_grey
from colles.serving.checks import look_at
from colles.serving.pipeline import BatchSizes, in_order


def chunks_of(count: int, size: int, workers: int) -> list[int]:
    seen: list[int] = []

    def work(chunk: list[int]) -> list[int]:
        seen.append(len(chunk))
        return chunk

    assert list(in_order(range(count), work, BatchSizes(size), workers)) == list(range(count))
    return sorted(seen)


def test_few_images_are_shared_out_rather_than_taken_by_one_worker() -> None:
    assert chunks_of(20, 16, 2) == [10, 10]
    assert chunks_of(47, 16, 2) == [7, 8, 16, 16]
    assert chunks_of(64, 16, 2) == [16] * 4
    assert chunks_of(3, 16, 4) == [1, 1, 1] and chunks_of(0, 16, 4) == []


def test_closed_early_it_does_not_wait_for_what_is_under_way() -> None:
    begun, release, ended = threading.Event(), threading.Event(), []

    def work(chunk: list[int]) -> list[int]:
        if chunk == [1]:
            begun.set()
            release.wait(20)
            ended.append(chunk)
        return chunk

    answers = in_order(range(10), work, BatchSizes(1), 2)
    assert next(answers) == 0 and begun.wait(20)
    answers.close()
    assert not ended
    release.set()


def test_looking_at_a_picture_makes_no_copy_of_it_in_floating_point() -> None:
    pixels = np.random.default_rng(0).normal(128, 20, (900, 700, 3)).clip(0, 255).astype(np.uint8)
    grey = to_grey(pixels)
    tracemalloc.start()
    look_at(pixels, grey)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < peak < 2 * pixels.nbytes


def test_colour_is_told_by_the_widest_gap_between_two_channels() -> None:
    pixels = np.full((100, 100, 3), 100, np.uint8)
    pixels[:10] = (100, 59, 100)
    pixels[10:20] = (140, 100, 120)
    assert look_at(pixels, to_grey(pixels)).colour == 0.1
