"""Jobs side by side, and jobs to choose from."""

from typing import Any

import pytest

from jobs.spec import Source
from otx_web.services import Services
from otx_web.store import State
from otx_web.ui import compare, parts
from tests.otx_web import made
from tests.otx_web.made import EVIL
from tests.otx_web.ui.conftest import Visit


def page(house: Services, visit: Visit, *ids: str, visitor: str = "") -> str:
    shown: Any = compare.open_page(house, visit(visitor=visitor, ids=",".join(ids)))
    return str(shown).replace(parts.SPACE, " ").replace(parts.MINUS, "-")


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [(["a,b"], ("a", "b")), (["a", "b"], ("a", "b")), (["a, a,,b"], ("a", "b")), ([""], ()), ([], ())],
)
def test_ids_in_either_form(sent: list[str], wanted: tuple[str, ...]) -> None:
    assert compare.ids(sent) == wanted


def test_ids_are_bounded() -> None:
    assert len(compare.ids([",".join(map(str, range(1000)))])) <= 24


def test_jobs_side_by_side(house: Services, visit: Visit) -> None:
    fast, slow = made.job(house, name="fast"), made.job(house, name="slow", made=made.report(fps=3000, after=0.79))
    shown = page(house, visit, fast.id, slow.id)
    assert "A is faster and more accurate" in shown
    assert 'role="img" aria-label="Accuracy against throughput.' in shown
    assert f'href="files/compare.csv?ids={fast.id},{slow.id}"' in shown
    assert "No setting differs" in shown
    assert f'<a class="ow-small" href="compare?ids={slow.id}" aria-label="Remove fast">' in shown


def test_settings_that_differ_are_marked(house: Services, visit: Visit) -> None:
    mixed = made.job(house, made=made.report(applied={"preset": "mixed", "stat_subset_size": "300"}))
    shown = page(house, visit, made.job(house).id, mixed.id)
    assert shown.count('class="ow-differs"') == 1
    assert "Settings that differ" in shown and "settings the same in all" in shown


def test_what_was_removed_is_a_row_where_any_job_removed_it(house: Services, visit: Visit) -> None:
    plain, pruned = made.job(house).id, made.job(house, made=made.pruned()).id
    shown = page(house, visit, plain, pruned)
    assert "FLOPs an image" in shown and "56.7 M" in shown and "1.43× fewer" in shown
    assert "Weights that are 0" not in shown
    assert "FLOPs an image" not in page(house, visit, plain, made.job(house).id)
    assert "Weights that are 0" in page(house, visit, plain, made.job(house, made=made.pruned(zeros=0.5)).id)


def test_other_data_stands_apart(house: Services, visit: Visit) -> None:
    other = made.job(house, dataset=Source(name="flowers.zip", digest="cc", path="c"))
    shown = page(house, visit, made.job(house).id, other.id)
    assert "Stands apart: it was measured on another dataset, flowers.zip." in shown
    assert shown.count('role="img"') == 1


def test_job_without_numbers_is_named(house: Services, visit: Visit) -> None:
    shown = page(house, visit, made.job(house).id, made.job(house, State.FAILED, name="broken").id)
    assert "broken</a> is not compared: it failed." in shown


def test_jobs_that_are_gone_are_counted(house: Services, visit: Visit) -> None:
    assert "1 job of the address cannot be found." in page(house, visit, made.job(house).id, "gone")


def test_without_ids_jobs_are_offered(house: Services, visit: Visit) -> None:
    jobs = [made.job(house, name="one"), made.job(house, name="two"), made.job(house, State.FAILED, name="three")]
    shown = page(house, visit)
    assert 'action="compare" method="get"' in shown
    assert [f'value="{job.id}"' in shown for job in jobs] == [True, True, False]


def test_only_ones_own_jobs_are_offered_but_any_can_be_read(house: Services, visit: Visit) -> None:
    jobs = [made.job(house, owner="alice", name=name) for name in ("hers one", "hers two")]
    assert "hers" not in page(house, visit, visitor="bob")
    assert "hers one" in page(house, visit, *(job.id for job in jobs), visitor="bob")


def test_nothing_to_compare_says_what_is_needed(house: Services, visit: Visit) -> None:
    assert "Two finished jobs are needed" in page(house, visit)


def test_names_are_text(house: Services, visit: Visit) -> None:
    evil = made.report(applied={EVIL: EVIL})
    jobs = [made.job(house, name=EVIL, made=evil), made.job(house, name=f'"{EVIL}')]
    assert "<img" not in page(house, visit, *(job.id for job in jobs))
