"""Every scene gives the events that were reviewed; ``scenes.py`` says how to renew them."""

import pytest

from golden.scenes import EVENTS, SCENES, as_lines


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_gives_the_events_that_were_reviewed(name: str) -> None:
    reviewed = (EVENTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert as_lines(SCENES[name]()).splitlines() == reviewed


def test_every_reviewed_file_has_its_scene() -> None:
    assert {path.stem for path in EVENTS.iterdir()} == set(SCENES)
