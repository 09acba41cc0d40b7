"""Images changed a little each time that they train: moved, zoomed, lighter or darker.

What the student is to say of a changed image is what its teacher says of the same one; labels of pixels move with it.
"""

import torch
from torch import Tensor
from torch.nn import functional

_MOVED = 0.1
"""Of the image's sides, at most, to any side."""
_ZOOMED = 1.2
"""Times larger or smaller, at most."""
_LIGHTER = 0.2
"""Of the spread of an image's values, at most: added to all of them, and what the spread itself changes by."""
_COLOURS = (1, 3, 4)


def changed(images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """The same images otherwise, [n, c, h, w] or [n, h, w, c]; any other shape as it is. Random as PyTorch is.

    `labels` are those of the images [n, ...], or of their pixels [n, h, w] or [n, channels, h, w].
    """
    if images.dim() != 4 or not (images.shape[1] in _COLOURS or images.shape[3] in _COLOURS):
        return images, labels
    last = images.shape[1] not in _COLOURS
    pixels = (images.movedim(3, 1) if last else images).float()
    low, high = (pixels.amin((1, 2, 3), keepdim=True), pixels.amax((1, 2, 3), keepdim=True))
    ways = _ways(pixels)
    if labels is not None and labels.dim() > 2:
        labels = _moved_labels(labels, ways)
    pixels = torch.minimum(torch.maximum(_lit(_moved(pixels, ways, "bilinear")), low), high)
    pixels = pixels.movedim(1, 3) if last else pixels
    return (pixels if images.is_floating_point() else pixels.round()).to(images.dtype), labels


def _ways(pixels: Tensor) -> Tensor:
    """[n, 2, 3] where the pixels of each image come from."""
    count = len(pixels)
    zoom = _ZOOMED ** _either_side(count, pixels)
    turn = torch.zeros(count, 2, 3, device=pixels.device)
    turn[:, 0, 0] = turn[:, 1, 1] = 1 / zoom
    turn[:, :, 2] = 2 * _MOVED * torch.stack([_either_side(count, pixels), _either_side(count, pixels)], 1)
    return turn


def _moved(pixels: Tensor, ways: Tensor, mode: str) -> Tensor:
    grid = functional.affine_grid(ways, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, mode=mode, padding_mode="reflection", align_corners=False)


def _moved_labels(labels: Tensor, ways: Tensor) -> Tensor:
    """As their images are, what is beyond the edge too; every pixel has the label of the nearest place."""
    channels = labels if labels.dim() == 4 else labels[:, None]
    moved = _moved(channels.float(), ways, "nearest").round().to(labels.dtype)
    return moved if labels.dim() == 4 else moved[:, 0]


def _lit(pixels: Tensor) -> Tensor:
    shape = (len(pixels), 1, 1, 1)
    mean, spread = pixels.mean((1, 2, 3), keepdim=True), pixels.std((1, 2, 3), keepdim=True)
    contrast, light = (_LIGHTER * _either_side(len(pixels), pixels).reshape(shape) for _ in range(2))
    return (pixels - mean) * (1 + contrast) + mean + light * spread


def _either_side(count: int, like: Tensor) -> Tensor:
    """[count] from -1 to 1."""
    return 2 * torch.rand(count, device=like.device) - 1
