"""The address of the Optimise page says all that stands on it."""

import json

from jobs.templates import ConfigFile
from otx_web.ui import draft
from otx_web.ui.draft import Draft


def test_draft_survives_its_address() -> None:
    config = ConfigFile(name="pot & more.json", text='{"preset": "mixed"}')
    whole = Draft(
        model="aa",
        dataset="bb",
        task="classification",
        template="generic",
        method="pot_default",
        given={"preset": "mixed", "ignored.scope": "a=b\n{re}c&d, é", "labels": ""},
        config=config,
        config_name=config.name,
    )
    kept = json.dumps({"name": config.name, "text": config.text})
    assert draft.read("?" + whole.address(), kept) == whole


def test_empty_draft_has_an_empty_address() -> None:
    assert Draft().address() == ""
    assert draft.read("", "") == Draft()


def test_configuration_file_without_its_name_in_the_address_is_an_old_one() -> None:
    assert draft.read("model=aa", json.dumps({"name": "a.json", "text": "{}"})).config is None


def test_configuration_file_that_the_browser_lost_is_missed() -> None:
    for lost in ("", "{", "[]", '{"name": 1}', "null"):
        found = draft.read("config=a.json", lost)
        assert found.config is None
        assert found.config_name == "a.json"


def test_address_with_other_things_in_it_is_read() -> None:
    assert draft.read("?__theme=dark&from=abc&set=preset&model=aa") == Draft(model="aa", given={"preset": ""})
