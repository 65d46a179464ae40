"""A damaged TIFF is an error of ours, and no line of libtiff's on the terminal."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, features

from colles.core.errors import UnreadableImageError
from colles.imaging.libtiff import silence_libtiff
from colles.imaging.read import read_image
from pictures import picture_bytes


@pytest.mark.skipif(not features.check("libtiff"), reason="this Pillow has no libtiff")
def test_libtiff_prints_nothing_of_its_own_and_the_error_remains(capfd: pytest.CaptureFixture[str]) -> None:
    if not silence_libtiff():
        pytest.skip("this Pillow carries no libtiff that could be silenced")
    drawn = Image.fromarray((np.indices((24, 24)).sum(0) * 5).astype(np.uint8))
    data = bytearray(picture_bytes(drawn, "TIFF", compression="tiff_lzw"))
    data[8:40] = bytes(range(200, 232))  # the first codes of the only strip: "Using code not yet in table" before
    with pytest.raises(UnreadableImageError, match="cannot be decoded"):
        read_image(bytes(data))
    assert capfd.readouterr() == ("", "")
