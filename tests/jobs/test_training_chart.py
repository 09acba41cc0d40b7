"""The picture of a training says in words what it shows."""

from jobs import training_chart
from jobs.events import Epoch


def epoch(number: int, held_out: float, *, best: bool = True, metric: float | None = 0.9) -> Epoch:
    loss = held_out / 2 if number else None
    return Epoch(number=number, total=4, loss=loss, held_out=held_out, metric=metric, original=0.95, best=best)


def test_both_curves_are_drawn_with_the_best_marked() -> None:
    page = training_chart.chart([epoch(0, 0.4), epoch(1, 0.2), epoch(2, 0.3, best=False)], "accuracy")
    assert page.count('class="ow-held-out" d="M') == 2 and page.count('class="ow-best"') == 2
    assert "Accuracy, on some of the images" in page and "the original" in page
    assert "Epoch 2 of at most 4. The best so far is epoch 1." in page
    assert "On images that train nothing, by epoch: 0.4, 0.2, 0.3." in page


def test_models_made_smaller_between_epochs_are_marked() -> None:
    smaller = epoch(2, 0.5).model_copy(update={"loss": None})
    page = training_chart.chart([epoch(0, 0.4), epoch(1, 0.2), smaller, epoch(3, 0.3)], "accuracy")
    assert (
        page.count('class="ow-smaller"') == 2
        and "At each upright line the model was made smaller, and the loss begins anew." in page
    )
    assert "The best so far is epoch 3." in page
    assert "upright line" not in training_chart.chart([epoch(0, 0.4), epoch(1, 0.2)])


def test_epochs_before_all_zeros_were_there_do_not_count() -> None:
    page = training_chart.chart([epoch(0, 0.0), epoch(1, 0.1), epoch(2, 0.4)], "accuracy")
    assert "Epochs before that had not all of the zeros yet, and do not count." in page
    smaller = epoch(1, 0.5).model_copy(update={"loss": None})
    page = training_chart.chart([epoch(0, 0.0), epoch(1, 0.1), smaller, epoch(2, 0.4)], "accuracy")
    assert "do not count" not in page


def test_first_look_has_one_point() -> None:
    page = training_chart.chart([epoch(0, 0.4)])
    assert "Before the first epoch." in page and "by epoch: 0.4." in page


def test_metric_that_cannot_be_measured_is_not_drawn() -> None:
    page = training_chart.chart([epoch(0, 0.4, metric=None), epoch(1, 0.2, metric=None)])
    assert "on some of the images" not in page and page.count("<svg") == 1


def test_nothing_trained_is_nothing_drawn() -> None:
    assert training_chart.chart([]) == ""
