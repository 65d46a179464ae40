"""The practicum's baseline: two convolutions and two fully connected layers."""

from __future__ import annotations

from torch import Tensor, nn

from colles.learning.models.base import FractureClassifier


class SimpleCNN(FractureClassifier):
    """Conv 3→16→32, each with ReLU and a pool, then fully connected 32·(S/4)² → 128 → 1 (32·56·56 at 224 px)."""

    name = "simple_cnn"
    has_cam = False  # the fully connected layers mix places, so no map adds up to the logit

    def __init__(self, *, size: int, channels: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        side = size // 2 // 2
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(32 * side * side, 128), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(128, 1)

    def _maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.convolutions(x)
        return maps

    def _embed(self, features: Tensor) -> Tensor:
        embedding: Tensor = self.hidden(features)
        return embedding

    def _regularise(self, embedding: Tensor) -> Tensor:
        dropped: Tensor = self.dropout(embedding)
        return dropped

    def backbone_modules(self) -> list[nn.Module]:
        """Return the convolutions."""
        return [self.convolutions]
