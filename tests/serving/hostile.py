"""Files that attack a reader: cut, flipped, lying about their size, wrongly named, or no files at all."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import picture_bytes

SIDE = 24


@cache
def seeds() -> dict[str, bytes]:
    """Return small valid files of every form that is read, by name."""
    pixels = (np.indices((SIDE, SIDE)).sum(0) * 5).astype(np.uint8)
    deep = pixels.astype(np.uint16) * 257
    grey, colour = Image.fromarray(pixels), Image.fromarray(np.stack([pixels] * 3, -1))
    frames = [Image.fromarray(np.roll(pixels, shift, 0)) for shift in range(4)]
    found = {
        "grey.jpg": picture_bytes(grey, "JPEG"),
        "colour.jpg": picture_bytes(colour, "JPEG", progressive=True),
        "cmyk.jpg": picture_bytes(colour.convert("CMYK"), "JPEG"),
        "grey.png": picture_bytes(grey, "PNG"),
        "deep.png": picture_bytes(Image.fromarray(deep), "PNG"),
        "palette.png": picture_bytes(colour.convert("P"), "PNG"),
        "grey.tif": picture_bytes(grey, "TIFF", compression="tiff_lzw"),
        "deep.tif": picture_bytes(Image.fromarray(deep), "TIFF"),
        "float.tif": picture_bytes(Image.fromarray(pixels.astype(np.float32) / 255), "TIFF"),
        "grey.bmp": picture_bytes(grey, "BMP"),
        "grey.webp": picture_bytes(colour, "WEBP"),
        "moving.gif": picture_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:]),
    }
    dicom = dicom_file(deep)
    return found | ({"film.dcm": dicom} if dicom else {})


def dicom_file(pixels: np.ndarray) -> bytes | None:
    """Return a small uncompressed radiograph, or None without pydicom."""
    try:
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
    except ImportError:
        return None
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.3", ExplicitVRLittleEndian
    ds = FileDataset("film.dcm", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = meta.MediaStorageSOPClassUID, "1.2.3", "DX"
    ds.PhotometricInterpretation, ds.SamplesPerPixel = "MONOCHROME2", 1
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.PixelData = pixels.astype("<u2").tobytes()
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield the file cut at every tenth of its length, from nothing on."""
    for tenth in range(10):
        yield data[: len(data) * tenth // 10]


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield copies with flipped bits, overwritten runs, and pieces doubled or left out."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(int(rng.integers(1, 9))):
            place = int(rng.integers(len(changed)))
            kind = rng.integers(8)
            if kind < 5:
                changed[place] ^= 1 << int(rng.integers(8))
            elif kind == 5:
                changed[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            elif kind == 6:
                changed[place:place] = changed[place : place + 16]
            else:
                del changed[place : place + int(rng.integers(1, 16))]
        yield bytes(changed)


def png_claiming(width: int, height: int, rows: bytes = b"") -> bytes:
    """Return a PNG whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_corpus(folder: Path) -> list[Path]:
    """Write one of each kind of hostile file and return all paths, some of which are no files."""
    folder.mkdir(parents=True)
    made = seeds()
    files: dict[str, bytes] = {
        f"cut{n}-{name}": cut for name, data in made.items() for n, cut in enumerate(truncations(data))
    }
    files |= {f"flipped{n}-{name}": bad for name, data in made.items() for n, bad in enumerate(mutations(data, 3, 7))}
    files |= {
        "bomb.png": png_claiming(11_000, 11_000, bytes(11_001 * 11_000)),
        "huge.png": png_claiming(2**31 - 1, 2**31 - 1),
        "wide.png": png_claiming(60_000, 60_000),
        "zero.png": png_claiming(0, 0),
        "zeros.jpg": bytes(4096),
        "text.png": b"<html>no image</html>",
        "really-a-png.jpg": made["grey.png"],
        "really-a-zip.png": _zip({"a.png": made["grey.png"]}),
        "no.zip": made["grey.png"],
        "nested.zip": _zip({"inner.zip": _zip({"a.png": made["grey.png"]}), "fine.png": made["grey.png"]}),
        "slip.zip": _zip({"../../outside.png": made["grey.png"], "/etc/outside.png": b"x", "..\\outside.png": b"x"}),
        "bomb.zip": _zip({"zeros.png": bytes(250_000_000)}),
        "new\nline.png": made["grey.png"],
        "..strange....png": made["grey.png"],
        'quote",;=cmd.png': made["grey.png"],
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "device.png").symlink_to("/dev/zero")
    undecodable = os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png")
    Path(undecodable).write_bytes(made["grey.png"])
    return [*sorted(path for path in folder.iterdir() if path.name != "folder.png"), folder / "../gone.png"]


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()
