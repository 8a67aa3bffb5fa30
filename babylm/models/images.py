"""Pictures as input: each is encoded as one embedding, which takes the place of an image token in the row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_babylm import BabyLMConfig
from .layers import Linear

PATCH = 8
"""Pixels per side of a patch; the side of a picture is a multiple of it."""
CHANNELS = 64
"""Features per patch."""


class ImageEncoder(nn.Module):
    """Patches, a layer that all patches share, GELU, and one projection of all patches together.

    There is no pooling: where something is in the picture stays known, which small drawings need.
    """

    def __init__(self, config: BabyLMConfig) -> None:
        super().__init__()
        self.size = config.image_size
        patches = (self.size // PATCH) ** 2
        self.patch = Linear(3 * PATCH * PATCH, CHANNELS, bias=True)
        self.project = Linear(CHANNELS * patches, config.hidden_size, bias=True)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Embeddings (B, I, hidden_size) of I pictures per row, (B, I, 3, size, size).

        Raises:
            ValueError: The pictures have another shape.
        """
        if pixel_values.dim() != 5 or pixel_values.shape[2:] != (3, self.size, self.size):
            raise ValueError(
                f"pixel_values: must be (rows, pictures, 3, {self.size}, {self.size}), not "
                f"{tuple(pixel_values.shape)} (model.image_size={self.size})"
            )
        rows, pictures = pixel_values.shape[:2]
        side = self.size // PATCH
        patches = pixel_values.reshape(rows, pictures, 3, side, PATCH, side, PATCH)
        patches = patches.permute(0, 1, 3, 5, 2, 4, 6).reshape(rows, pictures, side * side, -1)
        features = F.gelu(self.patch(patches.to(self.patch.weight.dtype)))  # (B, I, patches, CHANNELS)
        return self.project(features.flatten(2))


def place_images(embeds: Tensor, input_ids: Tensor, image_token_id: int | None, images: Tensor) -> Tensor:
    """``embeds`` (B, T, hidden_size) with the k-th of ``images`` (B, I, hidden_size) at the row's k-th image token.

    A row may have fewer image tokens than pictures; those left over are not used.

    >>> embeds, images = torch.zeros(1, 3, 1), torch.tensor([[[5.0], [6.0]]])
    >>> place_images(embeds, torch.tensor([[9, 4, 9]]), 9, images).flatten().tolist()
    [5.0, 0.0, 6.0]

    Raises:
        ValueError: There is no image token, or a row has more of them than pictures.
    """
    if image_token_id is None:
        raise ValueError("pixel_values: the configuration has no image_token_id, the token whose place they take")
    is_image = input_ids == image_token_id  # (B, T)
    number = is_image.cumsum(1) - 1
    if int(number.max()) >= images.shape[1]:
        raise ValueError(f"pixel_values: a row has {int(number.max()) + 1} image tokens and {images.shape[1]} pictures")
    index = number.clamp(min=0)[..., None].expand(-1, -1, images.shape[2])
    return torch.where(is_image[..., None], images.to(embeds.dtype).gather(1, index), embeds)
