from pathlib import Path

from jobs import stopping


def test_asked_once_is_asked(tmp_path: Path) -> None:
    assert not stopping.asked(tmp_path)
    stopping.ask(tmp_path)
    stopping.ask(tmp_path)
    assert stopping.asked(tmp_path)


def test_nothing_in_its_place_is_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / stopping.FILE_NAME).symlink_to(elsewhere)
    stopping.ask(tmp_path)
    assert stopping.asked(tmp_path) and not elsewhere.exists()
