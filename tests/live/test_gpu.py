"""The sample on a real GPU. Deselected with ``-m "not gpu"``; skipped where CUDA can't be had."""

import pytest

from streamscribe.device import Device, Kind, obstacle
from streamscribe.events import Final
from streamscribe.loading import ModelChoice, load_recognizers
from streamscribe.onnx_graph import surroundings
from streamscribe.recognizer import transcribe
from streamscribe_cli.check import sample


@pytest.mark.gpu
@pytest.mark.timeout(600)
def test_the_sample_is_heard_on_cuda_as_it_is_on_the_processor() -> None:
    refusal = obstacle(Device(Kind.CUDA), surroundings())
    if refusal is not None:
        pytest.skip(str(refusal))
    texts = {}
    for asked in ("cpu", "cuda"):
        [loaded] = load_recognizers(ModelChoice(device=asked))
        used = {placement.provider for placement in loaded.placements}
        assert used == {loaded.device.provider}
        events = transcribe(loaded.recognizer, sample()[0])
        texts[asked] = " ".join(event.text for event in events if isinstance(event, Final))
    assert "ask not what your country can do for you" in texts["cuda"].lower()
    ours, theirs = (texts[asked].lower().split() for asked in ("cpu", "cuda"))
    assert abs(len(ours) - len(theirs)) <= 2
