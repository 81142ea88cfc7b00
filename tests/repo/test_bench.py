"""The benchmarks' arithmetic: a wrong figure would be believed, so its rules are tested."""

import json
from pathlib import Path

import numpy as np
import pytest
from bench.bootstrap import paired_difference
from bench.churn import changed_positions, count_churn
from bench.command import Request, bench_command
from bench.corpus import Clip, join, load_clips, spread
from bench.cost import full_window
from bench.decoding import quietest
from bench.latency import spoken_in
from bench.live import StepCost
from bench.onsets import Utterance, marked_onset_s
from bench.outcome import Outcome
from bench.scoring import Errors, score, score_parts, wer_percent
from bench.targets import BENCHES, TARGETS, Target, Verdict, number_at
from bench.viewing import Seen, View, delays, first_right_s, first_word, views
from click.testing import CliRunner

from streamscribe.events import Endpoint, Event, Final, Partial, Rule, SpeechStarted

SECOND = 16_000


def partial(text: str, committed: int = 0) -> Partial:
    return Partial(segment=0, text=text, committed=committed, words=(), at=0)


def final(text: str, segment: int = 0) -> Final:
    return Final(segment=segment, text=text, words=(), start_at=0, end_at=SECOND)


def clip(name: str, seconds: int) -> Clip:
    return Clip(name, "read", "", np.zeros(seconds * SECOND, dtype=np.float32))


def view(shown: list[tuple[str, float]], last: str) -> View:
    seen = [Seen(partial(text), at_s) for text, at_s in shown]
    [found] = views([*seen, Seen(final(last), 9.0)])
    return found


# Scoring


def test_case_and_punctuation_are_no_errors() -> None:
    assert score("hello world", "Hello, World!") == Errors(2, 0, 0, 0)


def test_substitutions_deletions_and_insertions_are_told_apart() -> None:
    assert score("red cats sat quite still here", "red dogs sat still here again") == Errors(
        6, 1, 1, 1
    )


def test_a_silent_hypothesis_deletes_every_word() -> None:
    assert score("hello there", "") == Errors(2, 0, 2, 0)


def test_without_a_reference_every_word_is_inserted() -> None:
    assert score("", "hello there") == Errors(0, 0, 0, 2)


def test_a_sessions_errors_are_counted_in_the_utterance_where_they_happen() -> None:
    references = ["the cat sat", "a dog barked", "birds sing"]
    hypothesis = "the cat sat a log barked birds"
    assert score_parts(references, hypothesis) == [
        Errors(3, 0, 0, 0),
        Errors(3, 1, 0, 0),
        Errors(2, 0, 1, 0),
    ]


def test_an_inserted_word_belongs_to_the_utterance_before_it() -> None:
    inserted = [errors.insertions for errors in score_parts(["the cat", "sat"], "the cat big sat")]
    assert inserted == [1, 0]


def test_a_word_inserted_before_everything_belongs_to_the_first_utterance() -> None:
    inserted = [errors.insertions for errors in score_parts(["the cat", "sat"], "big the cat sat")]
    assert inserted == [1, 0]


def test_the_utterances_errors_add_up_to_the_whole() -> None:
    references = ["the quick brown fox", "jumps over", "the lazy dog today"]
    hypothesis = "a quick fox jumped up over the crazy dog to day"
    [whole] = [score(" ".join(references), hypothesis)]
    assert sum(errors.total for errors in score_parts(references, hypothesis)) == whole.total


def test_the_error_rate_weighs_utterances_by_their_words() -> None:
    assert wer_percent([Errors(9, 0, 0, 0), Errors(1, 1, 0, 0)]) == pytest.approx(10.0)


# Bootstrap


def test_the_same_errors_everywhere_differ_by_nothing() -> None:
    errors = [Errors(10, 1, 0, 0), Errors(20, 3, 0, 0)]
    difference = paired_difference(errors, errors)
    assert (difference.points, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_one_error_more_in_every_ten_words_is_ten_points_whatever_is_drawn() -> None:
    worse = [Errors(10, 4, 0, 0), Errors(10, 1, 0, 0), Errors(10, 2, 0, 0)]
    better = [Errors(10, 3, 0, 0), Errors(10, 0, 0, 0), Errors(10, 1, 0, 0)]
    difference = paired_difference(worse, better)
    assert difference.points == pytest.approx(10.0)
    assert [difference.low, difference.high] == pytest.approx([10.0, 10.0])


def test_the_interval_holds_the_difference_and_shrinks_with_more_utterances() -> None:
    def difference(copies: int) -> tuple[float, float, float]:
        ours = [Errors(10, 2, 0, 0), Errors(10, 0, 0, 0)] * copies
        baseline = [Errors(10, 0, 0, 0), Errors(10, 1, 0, 0)] * copies
        found = paired_difference(ours, baseline)
        return found.low, found.points, found.high

    few_low, few, few_high = difference(5)
    many_low, many, many_high = difference(200)
    assert few == many == pytest.approx(5.0)
    assert few_low < many_low < 5.0 < many_high < few_high


def test_utterances_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="same utterances"):
        paired_difference([Errors(10, 0, 0, 0)], [Errors(9, 0, 0, 0)])


# Churn


def test_a_text_that_only_grows_has_no_churn() -> None:
    churn = count_churn([partial("the"), partial("the cat"), final("the cat sat")])
    assert (churn.changed, churn.final_words) == (0, 3)


def test_a_replaced_word_is_one_change_and_a_withdrawn_word_another() -> None:
    churn = count_churn([partial("the hat is"), final("the cat")])
    assert churn.changed == 2


def test_a_word_put_in_between_changes_every_word_after_it() -> None:
    assert changed_positions(["the", "cat", "sat"], ["the", "big", "cat", "sat"]) == 2


def test_punctuation_alone_counts_as_shown_but_not_as_a_word_changed() -> None:
    churn = count_churn([partial("the cat."), final("the cat, then")])
    assert (churn.changed, churn.changed_words) == (1, 0)


def test_the_next_segment_starts_afresh() -> None:
    churn = count_churn([partial("one"), final("one"), final("another two", segment=1)])
    assert (churn.changed, churn.committed_changed) == (0, 0)


def test_a_change_in_committed_text_is_counted() -> None:
    events: list[Event] = [partial("the cat sat", committed=7), final("the hat sat")]
    assert count_churn(events).committed_changed == 1


def test_a_commitment_that_is_withdrawn_is_counted() -> None:
    events: list[Event] = [partial("the cat", committed=7), partial("the cat", committed=3)]
    assert count_churn(events).committed_changed == 1


# First partial


def test_the_first_partial_counts_once_its_first_word_is_the_finals() -> None:
    seen = view([("Air", 0.4), ("They're", 0.9), ("There is", 1.4)], "There, is iron.")
    assert first_right_s(seen) == 1.4


def test_case_and_punctuation_of_the_first_word_do_not_matter() -> None:
    assert first_right_s(view([("“And, so", 0.5)], "and so my")) == 0.5


def test_a_segment_whose_first_word_only_the_final_gets_right_has_none() -> None:
    assert first_right_s(view([("Heir", 0.5)], "There")) is None


def test_a_segment_with_an_empty_final_has_none() -> None:
    assert first_right_s(view([("", 0.3), ("Hm", 0.5)], "")) is None


def test_an_apostrophe_inside_the_first_word_belongs_to_it() -> None:
    assert first_word("'There's' iron") == "there's"


def test_a_dash_before_the_first_word_is_no_word() -> None:
    assert first_word("— And so") == "and"


def test_events_are_gathered_by_segment_with_rule_and_position() -> None:
    seen = [
        Seen(SpeechStarted(0, 0), 0.1),
        Seen(partial("a"), 0.5),
        Seen(Endpoint(0, Rule.SILENCE, 2 * SECOND), 2.0),
        Seen(final("a"), 2.1),
        Seen(final("b", segment=1), 3.0),
    ]
    first, second = views(seen)
    assert (first.rule, first.endpoint_s, len(first.partials)) == ("silence", 2.0, 1)
    assert second.final is not None and second.final.text == "b"


def test_a_segment_belongs_to_the_last_speech_that_began_before_its_end() -> None:
    first, second = Utterance(0.5, True, 0.8), Utterance(4.0, True, 0.8)
    ended = View(0, rule="silence", endpoint_s=3.5)
    assert spoken_in(ended, [first, second]) is first


def test_no_delays_have_a_count_and_no_percentiles() -> None:
    assert delays([]) == {"count": 0}


def test_percentiles_lie_between_the_delays() -> None:
    assert delays([0.0, 1.0])["p50_s"] == pytest.approx(0.5)


def test_a_marked_onset_must_be_near_and_follow_a_pause() -> None:
    marks = [(1.0, 2.0), (2.1, 3.0), (5.0, 6.0)]
    assert marked_onset_s(marks, 1.2, within_s=0.5, pause_s=0.3) == 1.0
    assert marked_onset_s(marks, 2.2, within_s=0.5, pause_s=0.3) is None
    assert marked_onset_s(marks, 4.0, within_s=0.5, pause_s=0.3) is None


# Audio, cost, targets, files


def test_joined_clips_have_silence_between_them_and_nowhere_else() -> None:
    ones = np.ones(SECOND, dtype=np.float32)
    joined = join([ones, ones], gap_s=0.5)
    assert len(joined) == 2.5 * SECOND
    assert joined[0] == joined[-1] == 1 and not joined[SECOND : SECOND + SECOND // 2].any()


def test_clips_are_chosen_until_there_is_enough_audio() -> None:
    clips = [clip(str(index), 10) for index in range(20)]
    assert [chosen.name for chosen in spread(clips, 35)] == ["0", "7", "14", "1"]


def test_a_manifest_without_text_or_marks_gives_a_clip_without_them(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "a.flac", np.zeros(SECOND), SECOND)
    entry = {"audio": "a.flac", "text": None, "kind": "noise", "seconds": 1.0}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(entry) + "\n")
    [loaded] = load_clips(tmp_path)
    assert (loaded.text, loaded.speech, loaded.seconds) == ("", (), 1.0)


def test_a_clip_at_another_rate_is_refused_by_name(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "b.flac", np.zeros(8_000), 8_000)
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"audio": "b.flac"}) + "\n")
    with pytest.raises(ValueError, match=r"b\.flac: got 8000 Hz"):
        load_clips(tmp_path)


def test_audio_is_cut_in_the_middle_of_its_quietest_stretch() -> None:
    loud = np.ones(4 * SECOND, dtype=np.float32)
    loud[2 * SECOND : 2 * SECOND + 4_800] = 0
    assert quietest(loud, SECOND, 4 * SECOND) == 2 * SECOND + 2_400


def test_only_steps_with_a_full_window_count_as_the_worst_case() -> None:
    steps = [StepCost(5 * SECOND, 0.01), StepCost(13 * SECOND, 0.1), StepCost(15 * SECOND, 0.2)]
    cost = full_window(steps, hop_s=0.5)
    assert (cost["steps"], cost["rtf"]) == (2, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("got", "verdict"),
    [(0.15, Verdict.REACHED), (0.151, Verdict.MISSED), (None, Verdict.NOT_MEASURED)],
)
def test_a_figure_reaches_its_target_up_to_the_bound(got: float | None, verdict: Verdict) -> None:
    assert Target("cost", ("rtf",), "RTF", "s / s", 0.15).judge(got) is verdict


def test_a_lower_bound_is_missed_from_below() -> None:
    target = Target("offline_speed", ("ratio",), "speed", "x", 1.0, at_least=True)
    assert (target.judge(0.99), target.judge(1.0)) == (Verdict.MISSED, Verdict.REACHED)


def test_a_figure_without_a_target_is_published() -> None:
    assert Target("cost", ("rtf",), "RTF", "s / s").judge(7.0) is Verdict.PUBLISHED


def test_a_path_that_leads_nowhere_gives_no_number() -> None:
    figures: dict[str, object] = {"a": {"b": 1}, "c": "text"}
    assert number_at(figures, ("a", "b")) == 1.0
    assert number_at(figures, ("a", "x")) is None
    assert number_at(figures, ("a", "b", "c")) is None
    assert number_at(figures, ("c",)) is None


def test_every_target_belongs_to_a_benchmark_that_exists() -> None:
    modules = {path.stem for path in Path(__file__).parents[2].glob("bench/*")}
    assert {target.bench for target in TARGETS} <= set(BENCHES) <= modules


@bench_command("probe")
def probe(request: Request) -> Outcome:
    """A benchmark that has nothing to measure."""
    return Outcome({"limit": request.limit}, ())


def test_without_real_speech_a_benchmark_is_skipped_and_says_so(tmp_path: Path) -> None:
    missing, out = tmp_path / "missing", tmp_path / "out.json"
    result = CliRunner().invoke(probe, ["--speech", str(missing), "--out", str(out)])
    assert result.exit_code == 0 and "skipped" in result.output
    assert not out.exists()


def test_a_result_says_where_it_comes_from(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        probe, ["--speech", str(tmp_path), "--limit", "3", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    written = json.loads(out.read_text())
    assert written["bench"] == "probe" and written["figures"] == {"limit": 3}
    assert written["machine"]["usable_cores"] >= 1 and "commit" in written["git"]
    assert len(written["model"]["sha256"]) == 4 and written["packages"]["numpy"]


def test_a_part_of_the_clips_is_not_written_over_the_result_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.command.RESULTS", tmp_path / "results")
    CliRunner().invoke(probe, ["--speech", str(tmp_path), "--limit", "3"])
    assert not (tmp_path / "results").exists()
    CliRunner().invoke(probe, ["--speech", str(tmp_path)])
    assert (tmp_path / "results" / "probe.json").exists()
