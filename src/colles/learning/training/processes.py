"""Training in several processes: Lightning's DDP on GPUs, or on the CPU by gloo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch.multiprocessing.spawn import ProcessException, ProcessRaisedException

from colles.core.errors import StaleInputError, TrainingError


def create_strategy(processes: int, device: str) -> Strategy | str:
    """Return Lightning's strategy; processes are started from this one, so the command stays one command.

    On the CPU they are forked and share the canvases' memory; neither a CUDA context nor autograd's threads survive a
    fork.
    """
    if processes == 1:
        return "auto"
    if device == "cpu":
        return DDPStrategy(process_group_backend="gloo", start_method="fork" if may_fork() else "spawn")
    return DDPStrategy(start_method="spawn")


def may_fork() -> bool:
    """Return whether autograd has no threads in this process: torch refuses to train in a fork of one that has.

    They begin with the first backward pass after an ONNX export, never in a fresh process that trains on the CPU.
    """
    return not any(name.startswith("pt_autograd") for name in _threads())


def _threads() -> Iterator[str]:
    for name in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # a thread that ended meanwhile
            yield name.read_text()


def on_this_machine(processes: int, device: str) -> dict[str, Any]:
    """Return the arguments of a Lightning trainer whose processes are all here."""
    return {"devices": processes, "strategy": create_strategy(processes, device)}


@contextmanager
def readable_errors() -> Iterator[None]:
    """Raise a `TrainingError` with the one line that matters of what a process died of.

    Another version of timm may build another network from the same recipe: its state is a `StaleInputError`.
    """
    try:
        yield
    except ProcessRaisedException as error:
        _refuse_foreign_state(error)
        line = str(error).strip().splitlines()[-1]
        raise TrainingError(line.partition("Error: ")[2] or line, field="train.processes") from error
    except ProcessException as error:
        raise TrainingError(f"a training process ended early ({error})", field="train.processes") from error
    except RuntimeError as error:
        _refuse_foreign_state(error)
        raise


def _refuse_foreign_state(error: Exception) -> None:
    if "loading state_dict" in str(error):
        raise StaleInputError(
            "the state to go on from is another network's",
            repair="Resume with the versions it began with, or train into another folder",
        ) from error
