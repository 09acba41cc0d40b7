"""Images changed a little before they train."""

import pytest
import torch

from jobs import augmentation


def images(*shape: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(0)
    values = torch.nn.functional.interpolate(torch.rand(2, 3, 6, 6), shape[2:] or (24, 24), mode="bilinear")
    return (255 * values).to(kind)


@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
@pytest.mark.parametrize("last", [False, True])
def test_each_image_is_changed_and_is_what_it_was(kind: torch.dtype, last: bool) -> None:
    before = images(kind=kind)
    given = before.movedim(1, 3) if last else before
    after, _ = augmentation.changed(given)
    assert after.shape == given.shape and after.dtype == kind
    assert after.min() >= given.min() and after.max() <= given.max()
    apart = (after.float() - given.float()).abs().mean((1, 2, 3)) / given.float().std((1, 2, 3))
    assert (apart > 0.02).all() and (apart < 0.8).all(), "changed, but hardly"
    assert apart[0] != apart[1], "each of them otherwise"


def test_changed_as_the_seed_says() -> None:
    before, found = images(), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(augmentation.changed(before)[0])
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_what_is_no_picture_stays() -> None:
    tokens, features = torch.rand(2, 16, 8), torch.rand(2, 8, 6, 6)
    for one in (tokens, features):
        assert augmentation.changed(one)[0] is one


@pytest.mark.parametrize("channels", [False, True])
def test_labels_of_pixels_move_with_their_image(channels: bool) -> None:
    before = torch.zeros(2, 3, 24, 24)
    before[:, :, 8:16, 6:14] = 255
    numbers = (before[:, :1] > 0).long()
    after, labels = augmentation.changed(before, numbers if channels else numbers[:, 0])
    assert labels is not None and labels.dtype == numbers.dtype
    there, marked = after.mean(1) > 127, labels.reshape(2, 24, 24) == 1
    assert (there == marked).float().mean() > 0.97 and not torch.equal(marked, numbers[:, 0] == 1)


def test_label_of_an_image_stays() -> None:
    classes = torch.tensor([2, 0])
    assert augmentation.changed(images(), classes)[1] is classes
