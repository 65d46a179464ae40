"""Decoders of compressed DICOM pictures, in processes of their own.

They are written in C++, and some end the process that they run in over a damaged picture (gdcm 3.2 does so over its own
assertions), which nothing in Python can catch: a film from a stranger would end a server.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from colles.imaging.dicom_bytes import quieten
from colles.imaging.dicom_frame import first_frame, whole_data_set

ENDED, LATE = "its decoder ended", "its decoder took too long"
"""Kinds of a `DecoderError` whose decoder took its process along, or was ended after `_MOST` seconds."""
_PROGRAM = """
import json, sys
try:
    import resource  # before the folder of a script is on the path, which may hold another
except ImportError:
    pass
sys.path[:] = json.loads(sys.argv[1])
from colles.imaging.decoder import serve
serve()
"""
_READY = b"colles decodes\n"  # what stands before it was printed by the start of Python, such as a sitecustomize
_LENGTHS = struct.Struct(">QQ")  # bytes of a message's JSON, and of what follows it
_MOST = 120.0  # seconds that a picture may take; the largest that are read take a few


class DecoderError(Exception):
    """A picture could not be decoded; `kind` is the name of the decoder's own exception, `ENDED` or `LATE`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class _Decoder:
    """One process, which answers one picture after another."""

    def __init__(self) -> None:
        path = [entry for entry in sys.path if isinstance(entry, str)]  # Python passes over the others, such as a Path
        # -P: else a json.py in the working directory would be run, before the path is set
        command = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asked, self._told = self._process.stdin, self._process.stdout
        self._end, self._ready = ENDED, False

    def decode(self, data: bytes, max_pixels: int) -> NDArray[Any]:
        """Return the first frame; raise `DecoderError`, of kind `ENDED` or `LATE` where the process is no more."""
        late = threading.Timer(_MOST, self._give_up)
        late.daemon = True
        late.start()
        try:
            while not self._ready:
                self._ready = self._line() == _READY
            _write(self._asked, {"max_pixels": max_pixels}, data)
            told, pixels = _read(self._told)
        except (OSError, EOFError) as error:
            raise DecoderError(self._end, self._end) from error
        finally:
            late.cancel()
        if "error" in told:
            raise DecoderError(told["error"], told["text"])
        return np.frombuffer(pixels, told["dtype"]).reshape(told["shape"])

    def _line(self) -> bytes:
        line = self._told.readline()
        if not line:
            raise EOFError
        return line

    def _give_up(self) -> None:
        self._end = LATE
        self._process.kill()

    def lives(self) -> bool:
        """Tell whether the process is still there."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._asked, self._told):
            with suppress(OSError):  # what it had not read
                stream.close()


_idle: list[_Decoder] = []


def decode(data: bytes, max_pixels: int) -> NDArray[Any]:
    """Decode the first frame of a DICOM file's bytes in another process; a thread waits for no other thread's.

    Raise `DecoderError` with what the decoder raises, or where it ends twice or takes too long.
    """
    try:
        return _asked(_kept() or _started(), data, max_pixels)
    except DecoderError as error:
        # It may have been an earlier picture's doing, the system's for want of memory, or a signal's to all processes.
        another = _started() if error.kind == ENDED else None
        if another is None:  # and never in this process: it may be the picture's doing
            raise
    return _asked(another, data, max_pixels)


def _asked(decoder: _Decoder | None, data: bytes, max_pixels: int) -> NDArray[Any]:
    if decoder is None:
        return first_frame(whole_data_set(data, None, max_pixels))
    try:
        pixels = decoder.decode(data, max_pixels)
    except BaseException as error:
        if isinstance(error, DecoderError) and error.kind not in (ENDED, LATE):
            _idle.append(decoder)
        else:
            decoder.close()
        raise
    _idle.append(decoder)
    return pixels


def _kept() -> _Decoder | None:
    while True:
        try:
            decoder = _idle.pop()
        except IndexError:
            return None
        if decoder.lives():
            return decoder
        decoder.close()


def _started() -> _Decoder | None:
    """Return a new one; None where there is no Python to start, or the system starts no more processes."""
    if getattr(sys, "frozen", False) or not sys.executable:
        return None
    try:
        return _Decoder()
    except OSError:
        return None


@atexit.register
def _close_all() -> None:
    while _idle:
        _idle.pop().close()


if hasattr(os, "register_at_fork"):  # a forked process has copies of the pipes, which are the parent's to write to
    os.register_at_fork(after_in_child=_idle.clear)


def serve() -> None:
    """Answer what is asked on standard input until it ends: the program of a decoder's process."""
    _settle()
    asked = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as told:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # decoders print
        told.write(b"\n" + _READY)
        told.flush()
        while True:
            try:
                _answer_next(asked, told)
            except EOFError:
                return


def _answer_next(asked: IO[bytes], told: IO[bytes]) -> None:  # on its return nothing of the picture is held
    question, held = _read(asked)
    data = bytes(held)
    del held
    faulthandler.dump_traceback_later(2 * _MOST, exit=True)  # should the program that asked be no more
    answer = _answer(data, question["max_pixels"])
    faulthandler.cancel_dump_traceback_later()
    _write(told, *answer)


def _settle() -> None:
    for number in ("SIGINT", "SIGTERM", "SIGHUP"):  # the program that asks ends first, and what it asks is answered
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
    try:
        import resource

        # A core would hold the picture of a patient. Linux hands one to a program (apport) at 0 too, but not at 1.
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    except (ImportError, OSError, ValueError):
        pass
    quieten()


def _answer(data: bytes, max_pixels: int) -> tuple[dict[str, Any], bytes]:
    try:
        pixels = first_frame(whole_data_set(data, None, max_pixels))
    except Exception as error:  # decoders raise many kinds on damaged data
        return {"error": type(error).__name__, "text": str(error)}, b""
    return {"dtype": pixels.dtype.str, "shape": pixels.shape}, pixels.tobytes()


def _write(stream: IO[bytes], told: dict[str, Any], rest: bytes) -> None:
    text = json.dumps(told).encode()
    stream.write(_LENGTHS.pack(len(text), len(rest)) + text)
    stream.write(rest)
    stream.flush()


def _read(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray]:
    text, rest = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    return json.loads(_exactly(stream, text)), _exactly(stream, rest)


def _exactly(stream: IO[bytes], count: int) -> bytearray:
    held = bytearray(count)
    if stream.readinto(held) < count:  # type: ignore[attr-defined]
        raise EOFError
    return held
