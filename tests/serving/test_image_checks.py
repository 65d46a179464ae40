"""Pictures that no radiograph looks like are told by a look, and the outermost radiographs pass."""

from __future__ import annotations

import numpy as np

from colles.imaging.read import to_grey
from colles.serving.checks import Look, look_at, refuse_look


def test_strangers_are_refused_by_a_look_each_in_its_own_words() -> None:
    ramp = np.linspace(0, 199, 200 * 150).reshape(200, 150).astype(np.uint8)
    page = np.full((200, 150), 250, np.uint8)
    page[80:100] = 20
    shown = {
        "too small": ramp[:47],
        "blank": np.full((200, 150), 90, np.uint8),
        "a colour picture": np.stack([ramp, 199 - ramp, ramp], axis=-1),
        "noise": np.random.default_rng(0).integers(0, 256, (200, 150), np.uint8),
        "a page": page,
    }
    for words, pixels in shown.items():
        assert str(refuse_look(look_at(pixels, to_grey(pixels)))).startswith(words)
    assert refuse_look(look_at(ramp, ramp)) is None


def test_the_outermost_radiographs_of_the_public_sets_pass() -> None:
    usual = Look(side=400, spread=50.0, smoothness=0.99, colour=0.0, white=0.0)
    assert refuse_look(usual) is None
    assert refuse_look(Look(side=132, spread=4.3, smoothness=0.77, colour=0.0, white=0.66)) is None
