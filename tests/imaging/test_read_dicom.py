"""DICOM is shown as a viewer shows it, from every encoding, and whatever is wrong with it has a status."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.imaging.read import read_image, to_grey
from drawn_dicom import dicom, encoded, lut
from pictures import picture_bytes

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")


def ramp(dtype: type = np.uint16, top: int = 4095, shape: tuple[int, int] = (96, 160)) -> np.ndarray:
    return np.linspace(0, top, shape[0] * shape[1]).round().astype(dtype).reshape(shape)


def refusal(data: bytes, **limits: int) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        read_image(data, **limits)
    return caught.value


def test_without_a_window_the_stored_values_are_kept() -> None:
    stored = ramp(top=3000) + 50
    image = read_image(encoded(dicom(stored)))
    np.testing.assert_array_equal(image.pixels, stored)
    assert (image.file_format, image.mode, image.bit_depth, image.frames) == ("DICOM", "MONOCHROME2", 16, 1)
    assert (to_grey(image).min(), to_grey(image).max()) == (0, 255)


def test_monochrome1_is_inverted_so_that_bone_is_bright() -> None:
    stored = ramp()
    image = read_image(encoded(dicom(stored, photometric="MONOCHROME1")))
    np.testing.assert_array_equal(image.pixels, 4095 - stored)
    eight = ramp(np.uint8, 255)
    np.testing.assert_array_equal(
        read_image(encoded(dicom(eight, bits=8, photometric="MONOCHROME1"))).pixels, 255 - eight
    )


def test_an_inverse_presentation_shape_does_not_invert_twice() -> None:
    stored = ramp()
    image = read_image(encoded(dicom(stored, photometric="MONOCHROME1", PresentationLUTShape="INVERSE")))
    np.testing.assert_array_equal(image.pixels, 4095 - stored)


def test_a_presentation_shape_against_the_photometric_interpretation_counts_for_nothing() -> None:
    stored = ramp()
    for photometric, shape in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        image = read_image(encoded(dicom(stored, photometric=photometric, PresentationLUTShape=shape)))
        np.testing.assert_array_equal(image.pixels, 4095 - stored if photometric == "MONOCHROME1" else stored)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_window_decides_black_and_white(photometric: str) -> None:
    stored = ramp()
    image = read_image(encoded(dicom(stored, photometric=photometric, WindowCenter=2048, WindowWidth=1024)))
    # PS3.3 C.11.2.1.2.1, LINEAR
    share = np.clip((stored - 2047.5) / 1023 + 0.5, 0, 1)
    expected = share if photometric == "MONOCHROME2" else 1 - share
    np.testing.assert_allclose(image.pixels / 65535, expected, atol=1e-5)
    np.testing.assert_allclose(to_grey(image), expected * 255, atol=0.51)


def test_a_picture_inside_its_window_is_not_stretched_to_the_whole_range() -> None:
    stored = np.full((8, 8), 1000, np.uint16)
    stored[2:4] = 1500
    grey = to_grey(read_image(encoded(dicom(stored, WindowCenter=2048, WindowWidth=4096))))
    assert set(np.unique(grey)) == {62, 93}  # 1000 and 1500 of 4095


def test_a_film_under_its_window_is_not_copied_in_floating_point() -> None:
    stored = np.random.default_rng(0).integers(0, 4095, (2000, 1500), dtype=np.uint16)
    data = encoded(dicom(stored, photometric="MONOCHROME1", WindowCenter=2048, WindowWidth=1024))
    read_image(data)  # imports
    tracemalloc.start()
    read_image(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * stored.nbytes


def test_the_first_of_several_windows_and_the_sigmoid() -> None:
    stored = ramp()
    first = read_image(encoded(dicom(stored, WindowCenter=[1000, 3000], WindowWidth=[500, 100])))
    np.testing.assert_array_equal(
        first.pixels, read_image(encoded(dicom(stored, WindowCenter=1000, WindowWidth=500))).pixels
    )
    bent = read_image(encoded(dicom(stored, WindowCenter=2000, WindowWidth=800, VOILUTFunction="SIGMOID")))
    expected = 1 / (1 + np.exp(-4 * (stored - 2000.0) / 800))
    np.testing.assert_allclose(bent.pixels / 65535, expected, atol=1e-4)


@pytest.mark.parametrize("window", [{"WindowWidth": 0}, {"VOILUTFunction": "BENT"}, {"WindowWidth": None}])
def test_a_window_without_sense_is_left_out(window: dict) -> None:
    stored = ramp()
    elements = {"WindowCenter": 100, "WindowWidth": 200, **window}
    np.testing.assert_array_equal(read_image(encoded(dicom(stored, **elements))).pixels, stored)


@pytest.mark.parametrize("window", [{"WindowCenter": "inf"}, {"WindowWidth": "inf"}, {"WindowCenter": "nan"}])
def test_a_window_without_end_is_left_out(window: dict) -> None:
    stored = ramp()
    data = encoded(dicom(stored, **{"WindowCenter": "100", "WindowWidth": "200", **window}))
    np.testing.assert_array_equal(read_image(data).pixels, stored)


@pytest.mark.parametrize("rescale", [("", ""), ("", "0"), ("0", ""), ("0", "0"), ("nan", "0"), ("1", "inf")])
def test_a_rescale_without_sense_is_left_out(rescale: tuple[str, str]) -> None:
    stored = ramp()
    for elements in ({}, {"WindowCenter": 2000, "WindowWidth": 3000}):
        plain = read_image(encoded(dicom(stored, **elements)))
        slope, intercept = rescale
        image = read_image(encoded(dicom(stored, RescaleSlope=slope, RescaleIntercept=intercept, **elements)))
        np.testing.assert_array_equal(image.pixels, plain.pixels)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rescale", [("1e308", "0"), ("-1e39", "0"), ("1", "1e300")])
def test_a_rescale_beyond_every_number_made_a_blank_picture(rescale: tuple[str, str]) -> None:
    stored = np.arange(64, dtype=np.uint16).reshape(8, 8)
    slope, intercept = rescale
    image = read_image(encoded(dicom(stored, RescaleSlope=slope, RescaleIntercept=intercept)))
    np.testing.assert_array_equal(image.pixels, stored)


@pytest.mark.parametrize("neither", [{}, {"RescaleSlope": "", "RescaleIntercept": ""}])
@pytest.mark.parametrize(
    ("given", "both"),
    [
        ({"RescaleSlope": "2"}, {"RescaleSlope": "2", "RescaleIntercept": "0"}),
        ({"RescaleIntercept": "-1024"}, {"RescaleSlope": "1", "RescaleIntercept": "-1024"}),
    ],
)
def test_a_slope_without_an_intercept_or_the_reverse_was_ignored_and_the_window_missed(
    given: dict[str, str], both: dict[str, str], neither: dict[str, str]
) -> None:
    for window in ({}, {"WindowCenter": 1000, "WindowWidth": 2000}):
        one = read_image(encoded(dicom(ramp(), **neither | given, **window))).pixels
        np.testing.assert_array_equal(one, read_image(encoded(dicom(ramp(), **both, **window))).pixels)
        assert not np.array_equal(one, read_image(encoded(dicom(ramp(), **window))).pixels)


def test_rescale_comes_before_the_window() -> None:
    stored = ramp()
    ds = dicom(stored, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=2001)
    share = np.clip((stored * 2.0 - 1000 - 999.5) / 2000 + 0.5, 0, 1)
    np.testing.assert_allclose(read_image(encoded(ds)).pixels / 65535, share, atol=1e-5)
    negative = read_image(encoded(dicom(stored, RescaleSlope=-1, RescaleIntercept=0)))
    assert (np.diff(to_grey(negative).ravel().astype(int)) <= 0).all()


def test_signed_values_keep_their_order() -> None:
    stored = (ramp().astype(np.int16) - 2048).astype(np.int16)
    image = read_image(encoded(dicom(stored)))
    np.testing.assert_array_equal(image.pixels, stored.astype(np.float32))
    windowed = read_image(encoded(dicom(stored, WindowCenter=0, WindowWidth=1000)))
    np.testing.assert_allclose(windowed.pixels / 65535, np.clip((stored + 0.5) / 999 + 0.5, 0, 1), atol=1e-5)


def test_modality_and_voi_tables_are_applied_in_their_order() -> None:
    stored = ramp(top=255)
    modality = lut([value * 4 for value in range(256)], 0, 10)
    voi = lut([value // 4 for value in range(1024)], 0, 8)
    image = read_image(encoded(dicom(stored, ModalityLUTSequence=[modality], VOILUTSequence=[voi])))
    np.testing.assert_allclose(image.pixels / 65535, stored / 255, atol=1e-5)


def test_a_table_of_8_bits_for_12_stored_ones_does_not_wrap() -> None:
    stored = ramp()
    voi = lut([value >> 4 for value in range(4096)], 0, 8)
    image = read_image(encoded(dicom(stored, VOILUTSequence=[voi], WindowCenter=1, WindowWidth=1)))
    np.testing.assert_allclose(image.pixels / 65535, (stored >> 4) / 255, atol=1e-5)


def test_the_first_of_several_tables_counts_and_no_value_of_it_wraps_round() -> None:
    stored, falling = ramp(), lut([4095 - value for value in range(4096)], 0, 12)
    rising = lut([2 * value for value in range(4096)], 0, 12)  # half of them beyond the 12 bits that it states
    image = read_image(encoded(dicom(stored, VOILUTSequence=[rising, falling])))
    np.testing.assert_allclose(image.pixels / 65535, np.clip(stored / 2047.5, 0, 1), atol=1e-5)


@pytest.mark.parametrize(("first", "kind"), [(63488, np.int16), (40000, np.uint16)])
def test_a_table_begins_below_zero_where_the_stored_values_do(first: int, kind: type) -> None:
    rise = ramp().astype(np.int32)
    stored = (rise + first - (2**16 if kind is np.int16 else 0)).astype(kind)  # 63488 is -2048, written as unsigned
    table = lut(list(range(4096)), first, 12)
    bits = 16 if kind is np.uint16 else 12
    voi = read_image(encoded(dicom(stored, bits=bits, VOILUTSequence=[table])))
    np.testing.assert_allclose(voi.pixels / 65535, rise / 4095, atol=1e-5)
    modality = read_image(encoded(dicom(stored, bits=bits, ModalityLUTSequence=[table])))
    np.testing.assert_array_equal(modality.pixels, rise)


def test_a_table_of_bytes_has_its_entries_and_nothing_of_what_fills_it_up() -> None:
    stored = ramp(top=300)
    voi = lut([0], 0, 8)
    voi.LUTDescriptor = [255, 0, 8]
    voi.add_new(0x00283006, "OW", bytes(range(1, 256)) + b"\0")
    image = read_image(encoded(dicom(stored, VOILUTSequence=[voi])))
    np.testing.assert_allclose(image.pixels / 65535, (stored.clip(0, 254) + 1) / 255, atol=1e-5)


def test_a_table_of_65536_entries_states_0() -> None:
    voi = lut([0], 0, 16)
    voi.LUTDescriptor = [0, 0, 16]
    voi.add_new(0x00283006, "OW", np.arange(65535, -1, -1, dtype="<u2").tobytes())
    stored = ramp(top=65535)
    np.testing.assert_array_equal(
        read_image(encoded(dicom(stored, bits=16, VOILUTSequence=[voi]))).pixels, 65535 - stored
    )


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("bits", "slope"), [(8, 2), (12, 2), (12, 0.0001), (6, 1)])
def test_rescaled_values_beyond_the_stored_bits_keep_their_order_and_fill_the_range(
    photometric: str, bits: int, slope: float
) -> None:
    stored = ramp(np.uint8 if bits <= 8 else np.uint16, 2**bits - 1)
    ds = dicom(stored, bits=bits, photometric=photometric, RescaleSlope=slope, RescaleIntercept=0)
    share = stored / (2**bits - 1)
    grey = to_grey(read_image(encoded(ds)))
    np.testing.assert_allclose(grey, 255 * (share if photometric == "MONOCHROME2" else 1 - share), atol=0.51)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"])
def test_the_lowest_bits_were_read_where_the_samples_lie_in_the_highest(syntax: str, signed: bool) -> None:
    values = (ramp().astype(np.int32) - (2048 if signed else 0)).astype("<i2" if signed else "<u2")
    ds = dicom(values << 4, HighBit=15)
    if syntax.endswith("5"):
        ds.compress(syntax)
    np.testing.assert_array_equal(read_image(encoded(ds)).pixels, values)


@pytest.mark.parametrize("high", [0, 15, 16, 40])
def test_a_wrong_high_bit_moves_no_samples(high: int) -> None:
    np.testing.assert_array_equal(read_image(encoded(dicom(ramp(), HighBit=high))).pixels, ramp())


def test_a_table_of_words_in_a_big_endian_file_was_read_as_little_endian() -> None:
    voi = lut([4095 - value for value in range(4096)], 0, 12)
    voi.add_new(0x00283006, "OW", np.arange(4095, -1, -1, dtype=">u2").tobytes())
    ds = dicom(ramp(), VOILUTSequence=[voi])
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    ds["PixelData"].VR, ds.PixelData = "OW", ramp().astype(">u2").tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_allclose(read_image(stream.getvalue()).pixels / 65535, 1 - ramp() / 4095, atol=1e-5)


@pytest.mark.parametrize("left", [{}, {"LUTDescriptor": [4096, 0, 0]}, {"LUTDescriptor": [4096, 0]}, {"LUTData": None}])
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_sequence_without_a_table_in_it_made_a_film_unreadable_or_white(keyword: str, left: dict) -> None:
    item = lut(list(range(4096)), 0, 12) if left else pydicom.Dataset()
    for name, value in left.items():
        setattr(item, name, value)
    window = {"WindowCenter": 2048, "WindowWidth": 1024}
    plain, odd = (read_image(encoded(dicom(ramp(), **window, **more))) for more in ({}, {keyword: [item]}))
    np.testing.assert_array_equal(odd.pixels, plain.pixels)


def test_an_empty_limit_of_padding_made_a_film_unreadable() -> None:
    ds = dicom(ramp(), PixelPaddingValue=0)
    ds.PixelPaddingRangeLimit = None
    assert read_image(encoded(ds)).pixels.max() == 4095


def test_padding_is_black_and_does_not_stretch_the_rest() -> None:
    stored = ramp(top=1000) + 1000
    stored[:4] = 0
    plain = read_image(encoded(dicom(stored, PixelPaddingValue=0)))
    assert (plain.pixels[:4] == stored[4:].min()).all()
    inverted = read_image(encoded(dicom(stored, photometric="MONOCHROME1", PixelPaddingValue=0)))
    assert (to_grey(inverted)[:4] == 0).all()
    bright = {"PixelPaddingValue": 3000, "PixelPaddingRangeLimit": 2500}  # the lower one is the limit
    stored[:2], stored[2:4] = 3000, 2500
    above = read_image(encoded(dicom(stored, photometric="MONOCHROME1", **bright)))
    assert (to_grey(above)[:4] == 0).all() and to_grey(above)[4, 0] == 255
    stored[:4] = 0
    every = read_image(encoded(dicom(stored, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)))
    np.testing.assert_array_equal(every.pixels, stored)
    windowed = read_image(encoded(dicom(stored, PixelPaddingValue=0, WindowCenter=500, WindowWidth=100)))
    assert (windowed.pixels[:4] == 0).all() and (windowed.pixels[4:] == 65535).all()


def test_colour_and_palettes() -> None:
    colours = np.random.default_rng(0).integers(0, 255, (10, 12, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_image(encoded(dicom(colours, bits=8))).pixels, colours)
    index = ramp(np.uint8, 255, (8, 8))
    ds = dicom(index, bits=8, photometric="PALETTE COLOR")
    for name in ("Red", "Green", "Blue"):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(ds, f"{name}PaletteColorLookupTableData", bytes(range(255, -1, -1)))
    np.testing.assert_array_equal(to_grey(read_image(encoded(ds))), 255 - index)


def test_of_several_frames_the_first_is_read() -> None:
    stored = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]])
    image = read_image(encoded(dicom(stored, NumberOfFrames=3)))
    np.testing.assert_array_equal(image.pixels, stored[0])
    assert image.frames == 3


@pytest.mark.parametrize("name", ["RLELossless", "JPEGLSLossless", "JPEG2000Lossless"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_encodings_give_the_same_pixels(name: str, bits: int) -> None:
    stored = ramp(np.uint8 if bits == 8 else np.uint16, 2**bits - 1)
    ds = dicom(stored, bits=bits)
    ds.compress(getattr(pydicom.uid, name), generate_instance_uid=False)
    np.testing.assert_array_equal(read_image(encoded(ds)).pixels, stored)


@pytest.mark.parametrize("name", ["JPEGLSNearLossless", "JPEG2000"])
def test_lossy_encodings_come_near(name: str) -> None:
    stored = ramp()
    ds = dicom(stored)
    options = {"jls_error": 2} if name == "JPEGLSNearLossless" else {"j2k_cr": [4]}
    ds.compress(getattr(pydicom.uid, name), generate_instance_uid=False, **options)
    assert np.abs(read_image(encoded(ds)).pixels.astype(int) - stored).max() < 60


def baseline(stored: np.ndarray) -> tuple[pydicom.Dataset, bytes]:
    from pydicom.encaps import encapsulate

    ds = dicom(stored, bits=8)
    data = picture_bytes(Image.fromarray(stored), "JPEG", quality=98)
    ds.PixelData = encapsulate([data])
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    return ds, data


def test_jpeg_baseline_of_pillow() -> None:
    stored = ramp(np.uint8, 255)
    ds, _ = baseline(stored)
    np.testing.assert_allclose(read_image(encoded(ds)).pixels.astype(int), stored.astype(int), atol=3)


def test_jpeg_lossless_of_gdcm(tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    stored = ramp()
    (tmp_path / "a.dcm").write_bytes(encoded(dicom(stored)))
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(tmp_path / "a.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(tmp_path / "b.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").pixels, stored)


@pytest.mark.parametrize("name", ["ExplicitVRBigEndian", "ImplicitVRLittleEndian", "DeflatedExplicitVRLittleEndian"])
def test_plain_encodings(name: str) -> None:
    stored = ramp()
    ds = dicom(stored)
    ds.file_meta.TransferSyntaxUID = getattr(pydicom.uid, name)
    if name == "ExplicitVRBigEndian":
        ds.PixelData = stored.byteswap().tobytes()
        ds["PixelData"].VR = "OW"
    stream = io.BytesIO()
    little = name != "ExplicitVRBigEndian"
    pydicom.dcmwrite(stream, ds, implicit_vr="Implicit" in name, little_endian=little, force_encoding=True)
    np.testing.assert_array_equal(read_image(stream.getvalue()).pixels, stored)


def test_a_file_without_preamble_is_still_dicom() -> None:
    stored = ramp()
    data = encoded(dicom(stored))
    np.testing.assert_array_equal(read_image(data[132:]).pixels, stored)
    stream = io.BytesIO()
    ds = dicom(stored)
    ds.preamble, ds.file_meta = None, pydicom.dataset.FileMetaDataset()
    ds.save_as(stream, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_image(stream.getvalue()).pixels, stored)


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.97])
@pytest.mark.parametrize("name", ["plain", "RLELossless", "JPEGLSLossless", "JPEG2000Lossless", "baseline"])
def test_a_file_that_was_cut_is_never_a_picture(name: str, share: float) -> None:
    ds = dicom(ramp()) if name != "baseline" else baseline(ramp(np.uint8, 255))[0]
    if name not in ("plain", "baseline"):
        ds.compress(getattr(pydicom.uid, name), generate_instance_uid=False)
    data = encoded(ds)
    error = refusal(data[: int(len(data) * share)])
    assert error.status in {"truncated", "unreadable", "unsupported"}
    assert "SECRET" not in str(error) and "Doe" not in str(error)


def test_a_jpeg_that_ends_too_early_is_truncated_and_not_half_grey() -> None:
    from pydicom.encaps import encapsulate

    ds, jpeg = baseline(ramp(np.uint8, 255, (200, 300)))
    ds.PixelData = encapsulate([jpeg[: len(jpeg) // 2]])
    assert refusal(encoded(ds)).status == "truncated"


def test_a_jpeg2000_that_ends_too_early_is_truncated_and_not_half_grey() -> None:
    from pydicom.encaps import encapsulate, get_frame

    ds = dicom(ramp())
    ds.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    ds.PixelData = encapsulate([frame[: len(frame) * 3 // 4]])
    assert refusal(encoded(ds)).status == "truncated"


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.imaging.read_dicom._frame", lambda *_: pytest.fail("was decoded"))
    ds = dicom(ramp())
    ds.Rows = ds.Columns = 60_000
    assert refusal(encoded(ds)).status == "too_large"
    assert refusal(encoded(dicom(ramp())), max_pixels=96 * 160 - 1).status == "too_large"
    inside, _ = baseline(ramp(np.uint8, 255, (300, 400)))
    inside.Rows, inside.Columns = 96, 160  # the header lies about the JPEG in it
    assert "400 x 300" in str(refusal(encoded(inside)))
    deflated = dicom(np.zeros((24, 40), np.uint16), TextComments="y" * 3_000_000)
    deflated.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    assert "inflates" in str(refusal(encoded(deflated), max_pixels=24 * 40))


def test_a_jpeg2000_states_its_size() -> None:
    ds = dicom(ramp())
    ds.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    ds.Rows = 12
    assert "160 x 96" in str(refusal(encoded(ds)))


def test_a_jpeg2000_of_thousands_of_channels_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.encaps import encapsulate, get_frame

    monkeypatch.setattr("colles.imaging.read_dicom._frame", lambda *_: pytest.fail("was decoded"))
    ds = dicom(ramp(np.uint8, 255), bits=8)
    ds.compress(pydicom.uid.JPEG2000Lossless, generate_instance_uid=False)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    count = 2000
    siz = struct.pack(">H", 38 + 3 * count) + frame[6:40] + struct.pack(">H", count) + frame[42:45] * count
    ds.PixelData = encapsulate([frame[:4] + siz + frame[45:]])
    assert "160 x 96 x 2000" in str(refusal(encoded(ds)))


def test_a_jpeg_of_other_channels_than_stated_is_refused() -> None:
    from pydicom.encaps import encapsulate

    ds, _ = baseline(ramp(np.uint8, 255))
    ds.PixelData = encapsulate([picture_bytes(Image.new("RGB", (160, 96)), "JPEG")])
    assert "160 x 96 x 3" in str(refusal(encoded(ds)))


def test_a_file_without_a_picture_is_unsupported() -> None:
    ds = dicom(ramp())
    for keyword in ("PixelData", "Rows", "Columns"):
        del ds[keyword]
    error = refusal(encoded(ds))
    assert error.status == "unsupported" and "holds no picture (Digital X-Ray" in error.message


def test_a_file_that_ends_before_its_pixels_is_truncated() -> None:
    ds = dicom(ramp())
    del ds["PixelData"]
    assert refusal(encoded(ds)).status == "truncated"


def test_an_encoding_without_decoder_says_what_to_install() -> None:
    ds = dicom(ramp())
    ds.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    ds.PixelData = pydicom.encaps.encapsulate([b"\0" * 100])
    error = refusal(encoded(ds))
    assert error.status == "unsupported" and "colles[dicom]" in error.message


def test_a_jpeg_of_12_bits_was_called_damaged() -> None:
    ds, _ = baseline(ramp(np.uint8, 255))
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGExtended12Bit
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    error = refusal(encoded(ds))
    assert (error.status, error.message) == (
        "unsupported",
        "JPEG Extended (Process 2 and 4) of 12 bits is decoded by no library of colles",
    )


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(dicom(ramp()))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    error = refusal(data)
    assert error.status == "unsupported" and "pip install 'colles[dicom]'" in error.message


def test_values_of_the_file_are_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    ds = dicom(ramp())
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        data = encoded(ds).replace(b"1.2.826.0.1.3680043.8.498.1", b"1.2.826.0.SECRET.8.498.1..1")
        read_image(data)
    assert not any("SECRET" in str(warning.message) for warning in heard)
    out, err = capfd.readouterr()
    assert "SECRET" not in out + err


def test_damaged_bytes_never_raise_another_error() -> None:
    rng = np.random.default_rng(0)
    data = encoded(dicom(ramp(), WindowCenter=2048, WindowWidth=1024))
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, 900, 3):
            broken[place] = rng.integers(0, 256)
        try:
            read_image(bytes(broken), max_pixels=1_000_000)
        except UnreadableImageError as error:
            assert "SECRET" not in str(error)
