"""Which scheduler gets a stream, of several copies of a model and of several models."""

import queue
from dataclasses import replace

import pytest

from fakes_server import PCM16, SPEECH, ScriptedRecognizer
from streamscribe_server.catalogue import Catalogue, ServedModel
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Audio, Close, Opened, Update
from streamscribe_server.metrics import Metrics
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.scheduling import Scheduling, default_scheduling, threads_per_worker


def schedulers_of(*models: ServedModel) -> Schedulers:
    return Schedulers(Catalogue(models), Limits(), Metrics(), Scheduling())


def test_streams_are_spread_over_the_copies_of_a_model() -> None:
    copies = ScriptedRecognizer(), ScriptedRecognizer()
    model = ServedModel("scripted", ("en",), copies[0], others=copies[1:])
    schedulers = schedulers_of(model)
    schedulers.start()
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    for number in range(4):
        schedulers.open(str(number), PCM16, updates.put)
    for _ in range(4):
        assert updates.get(timeout=10) == Opened()
    assert schedulers.stop(timeout_s=10)
    assert [len(copy.sessions) for copy in copies] == [2, 2]


def test_a_stream_goes_to_the_model_that_it_asks_for() -> None:
    english, german = ScriptedRecognizer(), ScriptedRecognizer()
    schedulers = schedulers_of(
        ServedModel("english", ("en",), english), ServedModel("german", ("de",), german)
    )
    schedulers.start()
    updates: queue.SimpleQueue[Update] = queue.SimpleQueue()
    schedulers.open("a", replace(PCM16, model="german"), updates.put)
    assert updates.get(timeout=10) == Opened()
    schedulers.post("a", Audio(SPEECH))
    schedulers.post("a", Close("done"))
    schedulers.post("a", Audio(SPEECH))
    assert schedulers.stop(timeout_s=10)
    assert (len(english.sessions), len(german.sessions)) == (0, 1)


def test_there_is_room_before_anything_was_asked() -> None:
    schedulers = schedulers_of(ServedModel("scripted", ("en",), ScriptedRecognizer()))
    assert schedulers.refusal() == "the engine is not running"
    schedulers.start()
    assert schedulers.refusal() is None
    assert schedulers.alive
    assert schedulers.stop(timeout_s=10)


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (16, 4, 4)])
def test_workers_and_their_threads_use_every_core_once(
    cores: int, workers: int, threads: int
) -> None:
    assert default_scheduling(cores=cores).workers == workers
    assert threads_per_worker(workers, cores) == threads


def test_a_gpu_has_one_worker_and_larger_batches() -> None:
    on_gpu = default_scheduling(cores=16, on_gpu=True)
    assert on_gpu.workers == 1
    assert on_gpu.max_batch > default_scheduling(cores=16).max_batch
