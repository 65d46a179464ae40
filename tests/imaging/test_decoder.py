"""Compressed films are decoded in processes of their own, whose end is no one else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import UnreadableImageError
from colles.imaging import decoder
from colles.imaging.read import read_image
from pictures import picture_bytes

pydicom = pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
pytest.importorskip("gdcm", reason="gdcm comes with colles[dicom]")

from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless  # noqa: E402

from drawn_dicom import dicom, encoded  # noqa: E402

GREY = (np.indices((96, 128)).sum(0) % 200).astype(np.uint8)
MOST = 10**8


def film(syntax: str, frame: bytes | None = None, pixels: np.ndarray = GREY, **elements: object) -> bytes:
    ds = dicom(pixels, bits=8)
    if frame is None:
        ds.compress(syntax, generate_instance_uid=False)
    else:
        ds.PixelData, ds.file_meta.TransferSyntaxUID = encapsulate([frame]), syntax
    for name, value in elements.items():
        setattr(ds, name, value)
    return encoded(ds)


def jpeg(*, at: int | None = None, value: int = 0, added: bytes = b"", mode: str = "L") -> bytes:
    """Return a JPEG with one byte written wrongly, or with a segment in place of its first."""
    whole = bytearray(picture_bytes(Image.fromarray(GREY).convert(mode), "JPEG"))
    if at is not None:
        whole[at] = value
    return bytes(whole[:2] + added + whole[20:]) if added else bytes(whole)


def wrong_at(data: bytes, marker: bytes, place: int, value: int) -> bytes:
    changed = bytearray(data)
    changed[changed.index(marker) + place] = value
    return bytes(changed)


COLOUR = np.stack([GREY] * 3, -1)
UNKNOWN_COLOURS = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x02"
WRONG = {
    "JPEG-LS of 28 bits": wrong_at(film(JPEGLSLossless), b"\xff\xf7", 4, 28),
    "JPEG 2000 of 128 bits": wrong_at(film(JPEG2000Lossless), b"\xff\x51", 40, 0x7F),
    "JPEG of 17 bits": wrong_at(film(JPEGBaseline8Bit, jpeg()), b"\xff\xc0", 4, 17),
    "no marker where one belongs": wrong_at(film(JPEGBaseline8Bit, jpeg()), b"\xff\xc0", 13, 0),
    "a version of JFIF": film(JPEGBaseline8Bit, jpeg(at=11, value=2, mode="RGB"), COLOUR),
    "a colour transform of Adobe": film(JPEGBaseline8Bit, jpeg(added=UNKNOWN_COLOURS, mode="RGB"), COLOUR),
    "7 bits stored": film(JPEGBaseline8Bit, jpeg(), BitsStored=7),
    "32 bits allocated": film(JPEGBaseline8Bit, jpeg(), BitsAllocated=32),
    "colours of one channel": film(JPEG2000Lossless, PhotometricInterpretation="RGB"),
    "colours of print": film(JPEG2000Lossless, PhotometricInterpretation="CMYK"),
}


@pytest.fixture(autouse=True)
def none_is_idle() -> Iterator[None]:
    """Begin without a decoder, and end those that were begun."""
    decoder._close_all()
    yield
    decoder._close_all()


@pytest.mark.parametrize("name", WRONG)
def test_gdcm_ended_the_program_over_a_header(name: str) -> None:
    with pytest.raises(UnreadableImageError, match=r"cannot be decoded \(.+\)") as caught:
        read_image(WRONG[name])
    assert caught.value.status == "unreadable"


@pytest.mark.slow
def test_after_a_film_that_ended_its_decoder_the_next_is_read() -> None:
    with pytest.raises(UnreadableImageError):
        read_image(WRONG["a version of JFIF"])
    assert read_image(film(JPEG2000Lossless)).pixels.shape == (96, 128)


@pytest.mark.slow
def test_at_least_one_of_them_still_ends_its_decoder() -> None:
    ended = 0
    for name in ("a version of JFIF", "7 bits stored", "colours of print"):
        data = WRONG[name]
        with pytest.raises(decoder.DecoderError) as caught:
            decoder.decode(data, MOST)
        ended += caught.value.kind == decoder.ENDED
    assert ended  # else no process of its own is needed any more


def test_a_decoder_is_kept_from_picture_to_picture_and_after_an_error_of_its_own() -> None:
    decoder.decode(film(JPEG2000Lossless), MOST)
    (first,) = decoder._idle
    with pytest.raises(decoder.DecoderError) as caught:
        decoder.decode(film(JPEG2000Lossless, b"\xff\x4f\xff\x51nothing"), MOST)
    assert caught.value.kind != decoder.ENDED and decoder._idle == [first]
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY) and decoder._idle == [first]


def test_threads_do_not_wait_for_one_another_and_get_their_own_pictures() -> None:
    wrong: list[int] = []

    def judge(number: int) -> None:
        pixels = np.full((64, 64), number, np.uint8)
        for _ in range(5):
            if not np.array_equal(decoder.decode(film(JPEGLSLossless, pixels=pixels), MOST), pixels):
                wrong.append(number)

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and 1 <= len(decoder._idle) <= 3


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_end_of_a_service_reaches_all_its_processes_and_a_picture_under_way_is_still_answered() -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        decoder._idle[0]._process.send_signal(number)
    time.sleep(0.1)
    (first,) = decoder._idle
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY) and decoder._idle == [first]


def test_an_idle_decoder_that_was_killed_costs_no_picture() -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    decoder._idle[0]._process.kill()
    decoder._idle[0]._process.wait()
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_picture_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    decoder._idle[0]._process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(decoder, "_MOST", 0.2)
    with pytest.raises(decoder.DecoderError, match=decoder.LATE):
        decoder.decode(film(JPEGLSLossless), MOST)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_decoder_that_another_ended_over_a_sound_picture_made_it_unreadable() -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    process = decoder._idle[0]._process
    process.send_signal(signal.SIGSTOP)
    killer = threading.Timer(0.2, process.kill)
    killer.start()
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)
    killer.join()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_end_of_a_service_made_a_film_unreadable_whose_decoder_was_just_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*args: Any, **options: Any) -> Any:
        begun.append(real(*args, **options))
        if len(begun) == 1:
            begun[0].send_signal(signal.SIGTERM)
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY) and len(begun) == 2


def test_a_system_that_starts_no_process_made_compressed_films_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)


def test_a_picture_that_ended_its_decoder_is_never_decoded_in_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    monkeypatch.setattr(decoder, "_started", lambda: None)
    monkeypatch.setattr(decoder, "first_frame", lambda _: pytest.fail("decoded in the program"))
    monkeypatch.setattr(decoder._Decoder, "lives", lambda _: True)
    decoder._idle[0]._process.kill()
    with pytest.raises(decoder.DecoderError, match=decoder.ENDED):
        decoder.decode(film(JPEGLSLossless), MOST)


def test_a_path_object_in_sys_path_made_compressed_films_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, Path("extra")])
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)


def test_a_json_py_in_the_working_directory_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("open('was_run', 'w').close()")
    monkeypatch.setattr(sys, "path", [str(Path(entry).resolve()) for entry in sys.path])
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)
    assert not (tmp_path / "was_run").exists()


def test_a_site_that_prints_made_compressed_films_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('Welcome to the cluster', end='')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)


def test_a_resource_py_beside_a_script_made_compressed_films_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resource.py").write_text("class Resource: ...")
    monkeypatch.syspath_prepend(tmp_path)
    assert np.array_equal(decoder.decode(film(JPEGLSLossless), MOST), GREY)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.slow
def test_an_idle_decoder_held_its_last_picture() -> None:
    decoder.decode(film(JPEGLSLossless), MOST)
    before = held()
    noise = np.random.default_rng(0).integers(0, 256, (6000, 7000), dtype=np.uint8)  # above malloc's 32 MiB
    decoder.decode(film(JPEGLSLossless, pixels=noise), MOST)
    assert held() < before + 20_000


def held() -> int:
    """Return the KiB that the idle decoder has in memory."""
    status = Path(f"/proc/{decoder._idle[0]._process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


HANGS = """
import ctypes
from colles.imaging import decoder
decoder._MOST = 0.3
decoder._answer = lambda *_: ctypes.PyDLL(None).sleep(60)  # as in a decoder's own code, which holds Python's lock
decoder.serve()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no C library by that name")
def test_a_decoder_that_never_answers_outlived_the_program_that_asked() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        decoder._write(process.stdin, {"max_pixels": MOST}, b"picture")
        process.stdin.close()
        try:
            assert process.wait(20) == 1
        finally:
            process.kill()


PROGRAM = """
import os, sys, time
from pathlib import Path
from colles.imaging import decoder
data = Path(sys.argv[1]).read_bytes()
decoder.decode(data, 10**8)
if sys.argv[2] == "fork" and os.fork() == 0:
    assert decoder._idle == [] and decoder.decode(data, 10**8).shape == (96, 128)
    os._exit(0)
if sys.argv[2] == "fork":
    assert os.wait()[1] == 0
assert decoder.decode(data, 10**8).shape == (96, 128)
print(decoder._idle[0]._process.pid, flush=True)
time.sleep(60 if sys.argv[2] == "killed" else 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="forks and signals")
@pytest.mark.parametrize("how", ["fork", "killed", "done"])
def test_a_decoder_ends_with_its_program_and_is_no_forked_ones(how: str, tmp_path: Path) -> None:
    (tmp_path / "film.dcm").write_bytes(film(JPEGLSLossless))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "film.dcm"), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        number = int(program.stdout.readline())
        if how == "killed":
            program.kill()
        assert program.wait(30) == (-signal.SIGKILL if how == "killed" else 0)
    for _ in range(100):
        if not Path(f"/proc/{number}").exists() or "State:\tZ" in Path(f"/proc/{number}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the decoder is still there")
