import socket
import subprocess
import sys

import pytest

from streamscribe.errors import DeviceUnavailable, OptionError
from streamscribe.loading import ModelChoice
from streamscribe.options import CommitBy, Latency, Search, SessionOptions, Task
from streamscribe.store import DEFAULT_MODEL
from streamscribe_server import command
from streamscribe_server.command import serve
from streamscribe_server.limits import Limits
from streamscribe_server.uvicorn_server import CannotListen, bind


def test_a_port_in_use_is_named_with_the_way_out_and_before_any_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen) as error:
            serve.main(["--port", str(port), "--model", "/no/such/model"], standalone_mode=False)
    assert str(error.value) == (
        f"port {port} on 127.0.0.1 is in use by another program;"
        " choose another with --port, or let --port 0 find a free one"
    )


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(CannotListen, match=r"host 'no-such-host\.invalid'"):
        bind("no-such-host.invalid", 0, Limits())


def test_port_zero_takes_a_free_one() -> None:
    with bind("127.0.0.1", 0, Limits()) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this option alone")
def test_accepted_sockets_notice_a_peer_that_has_vanished_without_a_word() -> None:
    with bind("127.0.0.1", 0, Limits(unacknowledged_s=7.5)) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7_500


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[SessionOptions]:
    """Options of the sessions of each server that would have been started."""
    options: list[SessionOptions] = []
    monkeypatch.setattr(command, "_serve", lambda *arguments: options.append(arguments[-1]))
    return options


def test_a_server_is_told_what_counts_for_clients_that_do_not_choose(
    served: list[SessionOptions],
) -> None:
    said = "--language de --task translate --latency low --commit-by alignment --search beam"
    numbers = "--beam-size 3 --temperature 0.5 --hotword Ada --hotword Grace"
    arguments = [*said.split(), *numbers.split(), "--prompt", "Ada Lovelace"]
    serve.main(arguments, standalone_mode=False)
    assert served == [
        SessionOptions(
            language="de",
            task=Task.TRANSLATE,
            prompt="Ada Lovelace",
            latency=Latency.LOW,
            commit_by=CommitBy.ALIGNMENT,
            search=Search.BEAM,
            beam_size=3,
            temperature=0.5,
            hotwords=("Ada", "Grace"),
        )
    ]


def test_a_server_that_is_told_nothing_leaves_all_to_the_model(
    served: list[SessionOptions],
) -> None:
    serve.main([], standalone_mode=False)
    assert served == [SessionOptions()]


def test_what_the_model_cannot_follow_is_refused_before_anybody_connects() -> None:
    choice = ModelChoice(DEFAULT_MODEL, "webrtc", 1, None, None)
    with pytest.raises(OptionError, match="option 'task' is 'translate'; allowed: transcribe"):
        command._load(choice, SessionOptions(task=Task.TRANSLATE))


def test_a_device_that_can_not_be_had_is_refused_before_anybody_connects() -> None:
    with pytest.raises(DeviceUnavailable, match="device cuda:99 can't be used"):
        command._load(ModelChoice(device="cuda:99"), SessionOptions())


def test_a_server_loads_the_model_on_the_device_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choices: list[ModelChoice] = []

    def stop(host: str, port: int, limits: Limits, choice: ModelChoice, *rest: object) -> None:
        choices.append(choice)

    monkeypatch.setattr(command, "_serve", stop)
    serve.main(["--device", "tensorrt:1"], standalone_mode=False)
    serve.main([], standalone_mode=False)
    assert [choice.device for choice in choices] == ["tensorrt:1", "auto"]


def test_asking_for_help_loads_neither_the_web_server_nor_a_model() -> None:
    program = (
        "import sys\n"
        "from streamscribe_server.command import serve\n"
        "serve.main(['--help'], standalone_mode=False)\n"
        "print(sorted({'numpy', 'onnxruntime', 'starlette', 'uvicorn'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "[]"
