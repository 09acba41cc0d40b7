"""What arguments come to."""

from pathlib import Path

import pytest

from otx_web import errand
from otx_web.errand import WrongArgument


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert errand.pairs(["preset=mixed", "ignored.scope={re}a=b", " seed =3"]) == {
        "preset": "mixed",
        "ignored.scope": "{re}a=b",
        "seed": "3",
    }


def test_pairs_count_the_last() -> None:
    assert errand.pairs(["seed=1", "seed=2"]) == {"seed": "2"}


@pytest.mark.parametrize("text", ["preset", "=mixed", ""])
def test_pairs_without_name_or_value_are_refused(text: str) -> None:
    with pytest.raises(WrongArgument, match="NAME=VALUE"):
        errand.pairs([text])


def test_a_graph_takes_the_weights_beside_it_along(tmp_path: Path) -> None:
    graph, weights = tmp_path / "net.xml", tmp_path / "net.bin"
    graph.touch()
    assert errand.model([graph]) == (graph,)
    weights.touch()
    assert errand.model([graph]) == (graph, weights)
    assert errand.model([weights, graph]) == (weights, graph)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongArgument, match=r"gone\.onnx is not there"):
        errand.model([tmp_path / "gone.onnx"])


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    assert errand.task("") is None
    assert errand.task("classification") == "classification"
    with pytest.raises(WrongArgument, match=r"juggling.*classification"):
        errand.task("juggling")


def test_a_configuration_is_read_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "pot.json"
    path.write_text("{}")
    assert errand.config(path) == errand.ConfigFile(name="pot.json", text="{}")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * (errand.MAX_CONFIG + 1)])
def test_a_configuration_that_is_no_text_or_too_long_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pot.json"
    path.write_bytes(content)
    with pytest.raises(WrongArgument, match=r"pot\.json cannot be read"):
        errand.config(path)


def test_an_output_folder_is_made(tmp_path: Path) -> None:
    assert errand.out(tmp_path / "a" / "b").is_dir()


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(WrongArgument, match="no folder"):
        errand.out(tmp_path / "a")
