"""What is compared, and how much each of it counts."""

import torch
from torch import Tensor

from jobs.distances import Distances


def total(before: list[Tensor], now: list[Tensor], wanted: list[Tensor]) -> float:
    """The loss, where training began with `before`."""
    distances = Distances(wanted)
    distances.total(distances(before, wanted))
    return float(distances.total(distances(now, wanted)))


def scores(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


def test_loss_is_what_is_left_whatever_it_is_measured_in() -> None:
    wanted = [torch.linspace(0, 1, 40).reshape(2, 20), torch.linspace(0, 1e5, 40).reshape(2, 1, 20)]
    before = [wanted[0] + 0.1, wanted[1] + 1e4]
    assert total(before, before, wanted) == 1
    assert total(before, [wanted[0], before[1]], wanted) == 0.5 == total(before, [before[0], wanted[1]], wanted)
    assert total(before, wanted, wanted) == 0


def test_output_that_never_differed_does_not_count() -> None:
    wanted = [torch.linspace(0, 1, 8).reshape(2, 4), scores(2, 4)]
    nearly = wanted[0] * (1 + 1e-6)
    assert total([wanted[0], wanted[1] * 0.9], [nearly, wanted[1]], wanted) < 0.05


def test_every_kind_of_scores_is_least_where_it_is_the_teachers() -> None:
    kinds = {
        "logits": scores(2, 5) * 4,
        "shares": torch.softmax(scores(2, 3, 4, 4) * 9, 1),
        "map": scores(2, 1, 4, 4),
        "objects": scores(2, 20, 5),
        "columns": scores(2, 5, 20),
    }
    for name, wanted in kinds.items():
        found = wanted.clone().requires_grad_(True)
        distances = Distances([wanted])
        each = distances([found], [wanted])
        each.sum().backward()
        assert found.grad is not None and abs(float(each.detach())) < 1e-6, name
        away = found.grad - found.grad.mean(1, keepdim=True)  # shares cannot all grow
        assert away.abs().max() < 1e-5, name
        assert float(distances([wanted * 0.7], [wanted])) > 1e-4, name


def test_box_of_nothing_hardly_counts() -> None:
    boxes, sure = torch.rand(1, 50, 4) * 100 + 2, torch.full((1, 3, 50), 1e-4)
    sure[0, 1, 7] = 0.9
    wanted = [boxes, sure]

    def moved(place: int) -> float:
        found = boxes.clone()
        found[0, place] += 20
        return float(Distances(wanted)([found, sure], wanted)[0])

    assert moved(7) > 50 * moved(8) > 0


def test_boxes_and_scores_side_by_side_are_told_apart() -> None:
    """As YOLO's exports have them: [images, 4 + classes, places], boxes in pixels."""
    rows = torch.cat([torch.rand(2, 4, 60) * 600 + 2, scores(2, 3, 60)], 1)
    before = rows.clone()
    before[:, :4] += 5
    before[:, 4:] *= 0.9
    better = before.clone()
    better[:, 4:] = rows[:, 4:]
    assert abs(total([before], [better], [rows]) - 0.5) < 1e-6
    turned = [one.movedim(1, 2) for one in (before, better, rows)]
    assert abs(total([turned[0]], [turned[1]], [turned[2]]) - 0.5) < 1e-6


def test_indices_are_not_compared() -> None:
    wanted = [torch.arange(4).reshape(2, 2), scores(2, 2)]
    assert Distances(wanted)(wanted, wanted).shape == (1,)


def test_numbers_without_an_axis_are_compared_as_they_are() -> None:
    wanted = [torch.tensor([1.0, 2.0, 4.0]), torch.tensor(3.0)]
    assert float(Distances(wanted)([wanted[0] + 1, wanted[1] + 1], wanted).min()) > 0
