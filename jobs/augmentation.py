"""Images changed a little each time that they train: moved, zoomed, lighter or darker.

No label can go wrong by it: what the student is to say of a changed image is what its teacher says of the same one.
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


def changed(images: Tensor) -> Tensor:
    """The same images otherwise, [n, c, h, w] or [n, h, w, c]; any other shape as it is. Random as PyTorch is."""
    if images.dim() != 4 or not (images.shape[1] in _COLOURS or images.shape[3] in _COLOURS):
        return images
    last = images.shape[1] not in _COLOURS
    pixels = (images.movedim(3, 1) if last else images).float()
    low, high = (pixels.amin((1, 2, 3), keepdim=True), pixels.amax((1, 2, 3), keepdim=True))
    pixels = torch.minimum(torch.maximum(_lit(_moved(pixels)), low), high)
    pixels = pixels.movedim(1, 3) if last else pixels
    return (pixels if images.is_floating_point() else pixels.round()).to(images.dtype)


def _moved(pixels: Tensor) -> Tensor:
    count = len(pixels)
    zoom = _ZOOMED ** _either_side(count, pixels)
    turn = torch.zeros(count, 2, 3, device=pixels.device)
    turn[:, 0, 0] = turn[:, 1, 1] = 1 / zoom
    turn[:, :, 2] = 2 * _MOVED * torch.stack([_either_side(count, pixels), _either_side(count, pixels)], 1)
    grid = functional.affine_grid(turn, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _lit(pixels: Tensor) -> Tensor:
    shape = (len(pixels), 1, 1, 1)
    mean, spread = pixels.mean((1, 2, 3), keepdim=True), pixels.std((1, 2, 3), keepdim=True)
    contrast, light = (_LIGHTER * _either_side(len(pixels), pixels).reshape(shape) for _ in range(2))
    return (pixels - mean) * (1 + contrast) + mean + light * spread


def _either_side(count: int, like: Tensor) -> Tensor:
    """[count] from -1 to 1."""
    return 2 * torch.rand(count, device=like.device) - 1
