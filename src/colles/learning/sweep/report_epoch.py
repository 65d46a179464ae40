"""Tell a search the figures of each epoch, and stop the training where it says so."""

from __future__ import annotations

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from colles.learning.sweep.trial import Report, StopEarly
from colles.learning.training.module import ClassifierModule


class ReportEpoch(Callback):
    """Report the monitored figure at the end of each epoch, by its number in the run."""

    def __init__(self, monitor: str, report: Report) -> None:
        self.monitor, self.report = monitor, report

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Report; raise `StopEarly` where the trial is to end."""
        assert isinstance(pl_module, ClassifierModule)
        if self.report(pl_module.run_epoch, float(pl_module.figures[self.monitor])):
            raise StopEarly
