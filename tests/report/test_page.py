"""The report is one escaped page that says what its figures do not show."""

import io
import wave
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.scores.summary import (
    classification_report_table,
    confusion_table,
    summarise,
)
from disentangled_audio.evaluation.shortcuts.controls import CONTROLS
from disentangled_audio.models.bank import MODELS
from disentangled_audio.parameters import Corpus
from disentangled_audio.plots import style
from disentangled_audio.report import blocks
from disentangled_audio.report.commands import of_runs, of_scripts
from disentangled_audio.report.media import MOST_SAMPLES, picture, player
from disentangled_audio.report.names import EXPLANATIONS, LABELS, named_scores
from disentangled_audio.report.page import PARTS, render_page
from disentangled_audio.report.sections.card import card_section
from disentangled_audio.report.sections.codes import missing_codes
from disentangled_audio.report.sections.folds import missing_folds
from disentangled_audio.report.sections.recordings import recordings_section
from disentangled_audio.report.sections.run import run_section
from disentangled_audio.report.sections.scores import scores_section
from disentangled_audio.report.sentences import (
    answer,
    cautions,
    main_model,
    on_codes,
    on_confidence,
    on_folds,
    on_leakage,
    on_swaps,
)

NASTY = "<script>alert(1)</script>"


def predictions_of(shares, classes, n_groups=20, n_test=200):
    """Test rows of models that are right on the given shares of items, evenly over groups."""
    index = np.arange(n_test)
    names = np.array(classes, dtype=object)
    target = index // n_groups % len(names)
    tables = []
    for model, share in shares.items():
        is_right = (index * 7 % 20) < share * 20
        predicted = np.where(is_right, target, (target + 1) % len(names))
        table = pd.DataFrame({"recording_id": index, "group": index % n_groups, "kind": "rir"})
        table = table.assign(fold="f", role="test", model=model)
        table["target"], table["predicted"] = names[target], names[predicted]
        for place, name in enumerate(names):
            table[f"p_{name}"] = np.where(predicted == place, 0.9, 0.1 / (len(names) - 1))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def metrics_of(predictions, controls, simulated=False):
    metrics = summarise(
        predictions,
        controls,
        corpus="twin",
        simulated=simulated,
        protocol="rooms",
        target="database",
        n_resamples=200,
    )
    return {**metrics, "shared_sound": {"leaking": 0}}


def simple_metrics(model=0.9, control=0.4, simulated=False, n_train=400, **options):
    classes = ["a", "b"]
    metrics = metrics_of(
        predictions_of({"svm": 0.7, "hybrid": model}, classes, **options),
        predictions_of({"byte_size": control, "duration": 0.3}, classes, **options),
        simulated=simulated,
    )
    return {**metrics, "n_train": n_train, "n_validation": 3}


SOUND = np.sin(np.arange(800) / 5.0)


def corpus_of(description="", simulated=False):
    return Corpus.model_validate(
        {
            "description": description,
            "simulated": simulated,
            "sources": [{"folder": "made"}],
            "analysis": {"sample_rate_hz": 8000, "duration_s": 0.1},
        }
    )


def small_picture(name):
    with style.drawn(2.0, 1.0, simulated=False) as figure:
        return picture(figure, f"Figure of {name}")


def article_of(name):
    return {
        "kind": "article",
        "name": name,
        "text": [
            "database ",
            name,
            ", mistaken for ",
            "a",
            f", confidence 0.97; group {name}, rir",
        ],
        "picture": small_picture(name),
        "player": player(SOUND, 8000, "as analysed"),
    }


def further_sections(name=NASTY):
    """What other pipelines and single recordings give, with a name that must be escaped."""
    figure = blocks.picture_block(small_picture(name))
    sound = player(SOUND, 8000, f"input of {name}")
    swap = {"kind": "swap", "name": f"{name} swapped", "players": [sound, sound]}
    return [
        {"blocks": {"audit": [blocks.sentences([f"The duration tells {name}."])]}},
        {
            "blocks": {
                "disentanglement": [blocks.sentences([f"content tells {name}."]), figure],
                "swaps": [swap, figure],
            }
        },
        {
            "blocks": {
                "comparison": [blocks.sentences([f"Over 4 folds of {name}."]), figure],
                "disentanglement": [figure],
            }
        },
        {"blocks": {"reliability": [blocks.sentences([f"The confidence of {name} is off."])]}},
        {"blocks": {"mistakes": [article_of(name)]}},
    ]


def own_sections(metrics, predictions, facts, options="", corpus=None, names=()):
    """Sections of one run, as the pipeline of reports puts them together."""
    corpus = corpus or corpus_of()
    recordings = pd.DataFrame(
        [
            ["halls/1.wav", "rir", "CC BY 4.0", "Someone (2020)"],
            *([f"{name}/1.wav", "rir", None, None] for name in names),
        ],
        columns=["path", "kind", "licence", "citation"],
    )
    tables = classification_report_table(predictions), confusion_table(predictions)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "validation_loss": [2.0, 1.5]})
    return [
        scores_section(metrics, *tables, recordings, corpus, list(metrics["models"])),
        run_section(facts, "2026-02-02", history, simulated=False),
        card_section(metrics, recordings, corpus, facts, options),
    ]


@pytest.fixture(scope="module")
def page():
    return nasty_page()


def nasty_page():
    """A page with everything in it, all names of which must be escaped."""
    classes = ["a", NASTY]
    predictions = predictions_of({"svm": 0.7, "hybrid": 0.9}, classes)
    metrics = metrics_of(predictions, predictions_of({"duration": 0.4}, classes), simulated=True)
    facts = {
        "run_id": "2026-01-01",
        "can_classify": True,
        "packages": {"numpy": "2.0"},
        "seconds": {"quick": 0.1, "slow": 12.0},
        "parameters": {"svm": {"kernel": NASTY, "c": [1, 10]}},
    }
    own = own_sections(
        metrics,
        predictions,
        facts,
        corpus=corpus_of(f"Twin {NASTY}", simulated=True),
        names=["<i>halls", *"bcdef"],
    )
    rejected = pd.DataFrame({"path": [f"{NASTY}.wav"], "reason": ["matches no pattern"]})
    findings = [f"99 of 100 expected recordings were found ({NASTY})."]
    sections = [*own, recordings_section(rejected, findings), *further_sections()]
    return render_page(own[0]["title"], sections)


class Page(HTMLParser):
    """Collects tags in order and the text of the page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.images, self.sounds, self.headings = [], [], [], []
        self.figures = []
        self.text, self.open = "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "figure":
            self.figures.append(dict(attrs))
        if tag == "audio":
            self.sounds.append(dict(attrs))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append((tag, dict(attrs).get("id")))
        if tag not in {"meta", "img", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_text_is_escaped_and_tags_are_closed(page):
    parsed = Page(page)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert NASTY in parsed.text


def test_page_is_self_contained(page):
    parsed = Page(page)
    assert page.startswith("<!DOCTYPE html>")
    assert "http:" not in page
    assert "https:" not in page
    assert not {"link", "iframe", "script"} & set(parsed.tags)
    # Comparison, training, three for each of two models; mistake, heat map, swaps, two of folds.
    assert len(parsed.images) == 13
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.images)
    assert all(image["alt"] for image in parsed.images)
    assert len(parsed.sounds) == 3
    assert all(sound["src"].startswith("data:audio/wav;base64,") for sound in parsed.sounds)
    assert all(sound["aria-label"] for sound in parsed.sounds)


def test_page_lets_nothing_in_even_where_a_name_were_not_escaped(page):
    policy = page.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_title_says_simulated_or_real(page):
    assert "<title>Classifying database in twin (simulated recordings)</title>" in page
    assert "<title>Classifying database in twin (real recordings)</title>" in bare_page()


@pytest.mark.parametrize("whole", [True, False])
def test_sections_are_always_there_in_their_order(page, whole):
    parsed = Page(page if whole else bare_page())
    assert [name for tag, name in parsed.headings if tag == "h2"] == list(PARTS)
    levels = [int(tag[1]) for tag, _ in parsed.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_order_of_what_is_said(page):
    text = Page(page).text
    parts = [
        "The hybrid recognises the right",
        "A shortcut sees only circumstances",
        "Over 4 folds",
        "Most frequent errors",
        "The duration tells",
        "content tells",
        "swapped",
        "is off.",
        "could not be analysed",
        "99 of 100 expected recordings",
        "mistaken for a, confidence 0.97",
        "2026-01-01",
        "slow",
        "quick",
        "svm.kernel",
        "Intended use",
        "CC BY 4.0",
    ]
    assert [part for part in parts if part not in text] == []
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert page.index("<h3>Hybrid</h3>") < page.index("<h3>Fourier + SVM</h3>")


@pytest.mark.parametrize(("log_loss", "is_told"), [(1.75, True), (0.5, False), (None, False)])
def test_probabilities_worse_than_equal_shares_are_told(log_loss, is_told):
    metrics = simple_metrics()
    main = main_model(metrics)
    models = metrics["models"] | {main: metrics["models"][main] | {"log_loss": log_loss}}
    told = " ".join(cautions({**metrics, "models": models}))
    assert ("their log loss on the test items is 1.75 nats, against" in told) is is_told


def test_the_command_to_classify_names_the_run_that_made_the_models(page):
    assert "disentangled-audio classify PATH --model 2026-01-01\n" in Page(page).text


def test_the_card_says_whose_each_licence_is(page):
    card = Page(page).text.partition("Recordings, licences and citations")[2]
    parts = ("halls", "CC BY 4.0", "<i>halls, b, c, d and 2 more", "not stated")
    assert [card.index(part) for part in parts] == sorted(card.index(part) for part in parts)


def test_figures_are_announced_by_what_they_show_and_stop_the_tab_key_where_they_scroll(page):
    parsed = Page(page)
    labels = [figure["aria-label"] for figure in parsed.figures]
    assert labels == [image["alt"] for image in parsed.images]
    stops = {figure["aria-label"]: "tabindex" in figure for figure in parsed.figures}
    confusion = "Confusion matrix of Fourier + SVM: true classes in rows"
    assert stops[f"{confusion}, predicted classes in columns."]
    assert not stops[f"Figure of {NASTY}"]


def test_a_player_is_as_loud_as_it_goes():
    made = player(SOUND / 1000, 8000, "quiet")
    with wave.open(io.BytesIO(b64decode(made["wav"]))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
    assert made["cut_s"] is None
    np.testing.assert_allclose(samples / 32767, 0.9 * SOUND / np.abs(SOUND).max(), atol=1e-4)
    assert player(np.zeros(10), 8000, "silence")["cut_s"] is None


def test_a_leak_is_the_first_caution():
    leak = {"path": "a.wav", "other_path": "b.wav", "start_s": 0, "other_start_s": 1, "shared_s": 2}
    shared = {"leaking": 1, "n_test": 200, "examples": [leak]}
    first = cautions({**simple_metrics(simulated=True), "shared_sound": shared})[0]
    assert first.startswith("Leak: 1 of 200 test recordings shares sound with training recordings")


def test_a_caution_names_few_of_many_controls():
    controls = {"peak": 0.8, "level": 0.85, "duration": 0.9, "byte_size": 0.95}
    controls["long_term_spectrum"] = 0.99
    classes = ["a", "b"]
    metrics = metrics_of(
        predictions_of({"hybrid": 0.9}, classes), predictions_of(controls, classes)
    )
    caution, of_baselines = (text for text in cautions(metrics) if "do as well as" in text)
    assert caution.startswith("A score that a shortcut also reaches proves nothing.")
    assert caution.index("File size") < caution.index("Duration")
    assert caution.endswith("; 1 other.")
    assert of_baselines.startswith("A model that does no better than a simple baseline")
    assert "Long-term spectrum" in of_baselines
    assert "Long-term spectrum" not in caution


def test_answer_has_the_figures():
    sentence = answer(simple_metrics())
    assert sentence.startswith("The hybrid recognises the right database in 90 % (95 % interval ")
    assert "guessing gives 50 %. It was tested on 200 items from 20 groups." in sentence
    assert "The best shortcut, File size, reaches 40 %" in sentence
    assert "baseline" not in sentence
    ungrouped = answer({**simple_metrics(), "n_test_groups": 200})
    assert "tested on 200 items. " in ungrouped


def test_clear_result_needs_no_caution():
    assert cautions(simple_metrics()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"control": 0.9}, "File size 90 %"),
        (
            {"n_train": 9},
            "2 classes from only 9 items, and their confidence and weights come from 3",
        ),
        ({"n_groups": 1}, "one group"),
        ({"n_groups": 5}, "only 5 groups"),
        ({"model": 1.0}, "no error"),
        ({"model": 0.5}, "Fourier + SVM does better than the hybrid"),
        ({"simulated": True}, "simulated"),
    ],
)
def test_cautions_come_from_the_figures(options, words):
    assert any(words in sentence for sentence in cautions(simple_metrics(**options)))


def test_absent_class_is_said():
    metrics = simple_metrics()
    metrics["models"]["hybrid"]["absent_classes"] = ["c"]
    assert any("belongs to c" in sentence for sentence in cautions(metrics))


def test_main_model_is_the_hybrid_or_the_last():
    assert main_model({"models": {"hybrid": {}, "svm": {}}}) == "hybrid"
    assert main_model({"models": {"cnn": {}, "svm": {}}}) == "svm"
    with pytest.raises(ValueError, match="no model"):
        main_model({"models": {}})


def test_folds_in_words():
    scores = {"balanced_accuracy_ci95": [0.8, 0.9], "mean_balanced_accuracy": 0.85}
    worst = {"worst_fold": {"fold": "theo", "balanced_accuracy": 0.7}, "sd_over_seeds": 0.0123}
    metrics = {
        "models": {"hybrid": {**scores, **worst}},
        "controls": {
            "majority": {"mean_balanced_accuracy": 0.9},
            "long_term_spectrum": {"mean_balanced_accuracy": 0.6},
            "duration": {"mean_balanced_accuracy": 0.5},
        },
        "folds": {"theo": {}, "nick": {}},
        "n_folds": 6,
        "seeds": [7, 8],
        "shared_sound": {"leaking": 0},
    }
    folds, shortcut, baseline, seeds = on_folds(metrics)
    assert "Between the seeds 7, 8, the mean varies with a standard deviation of 1.2" in seeds
    assert folds.startswith(
        "Over 2 of 6 folds, the hybrid reaches a mean balanced accuracy of 85 %"
    )
    assert "worst fold, theo, reaches 70 %" in folds
    assert shortcut == "The best shortcut, Duration, reaches 50 %."
    assert baseline == "The best simple baseline, Long-term spectrum, reaches 60 %."


def test_codes_in_words_beside_their_controls():
    cells = [("content", "", 0.8), ("content", "untrained", 0.5), ("log_mel", "raw", 0.7)]
    leakage = pd.DataFrame(
        [
            {"code": code, "control": control, "score": score, "chance": 0.1}
            for code, control, score in cells
        ]
    ).assign(factor="target", condition="marginal")
    assert on_leakage(leakage) == [
        "From content, a probe recognises the target in 80 % of test items (guessing gives 10 %, "
        "an untrained encoder 50 %, the raw spectrogram 70 %)."
    ]
    assert on_codes({"block_dci": None, "reason": "one factor varies"}) == [
        "Block DCI is not defined: one factor varies."
    ]
    measured = {"block_dci": 0.9, "controls": {"untrained": {"block_dci": 0.3}}}
    assert "is 0.90 (untrained encoders: 0.30);" in on_codes(measured)[0]
    assert "No test item" in on_codes({**measured, "voiced_share": 0.0})[1]
    assert on_codes({**measured, "voiced_share": 0.97})[1].startswith("97 % of the test items")


def test_swaps_in_words():
    assert on_swaps({"swap": {"moved": None}}) == ""
    said = on_swaps({"swap": {"moved": 0.9, "stayed": 0.8, "rebuilt": 0.95}})
    assert "In 90 % of all test swaps" in said
    assert "in 80 %, the other attributes stay" in said


def test_confidence_in_words():
    errors = {"ece": {"hybrid": {"before": 0.3, "after": 0.05}}, "rejection": None}
    (said,) = on_confidence(errors, "hybrid")
    assert "differs from its accuracy by 5 percentage points (30 before" in said
    errors["rejection"] = {"coverage": 0.6, "accuracy": 0.99}
    assert "60 % remain" in on_confidence(errors, "hybrid")[1]


def bare_page(facts=None, options=""):
    predictions = predictions_of({"svm": 0.7, "hybrid": 0.9}, ["a", "b"])
    facts = {"run_id": "2026-01-01", "can_classify": False, **(facts or {})}
    own = own_sections(simple_metrics(), predictions, facts, options)
    missing = [missing_codes(of_runs(options)), missing_folds(of_runs(options))]
    rejected = recordings_section(pd.DataFrame(columns=["path", "reason"]), [])
    return render_page(own[0]["title"], [*own, *missing, rejected])


def test_everything_has_one_display_name_and_every_model_is_explained(page):
    assert {*MODELS, *CONTROLS} == set(LABELS)
    assert set(EXPLANATIONS) == set(LABELS)
    assert len(set(LABELS.values())) == len(LABELS)
    text = Page(page).text
    assert EXPLANATIONS["svm"] in text
    assert EXPLANATIONS["cnn"] not in text
    # Nobody reads a name of the code.
    assert not {"byte_size", "code_svm"} & set(text.split())


def test_names_of_controls_change_wherever_they_stand():
    controls = {"direct_sound": {"p": 1}, "peak": {"p": 2}}
    audit = {"controls": controls, "shortcuts": ["peak", "own"], "folds": {"f": {"models": {}}}}
    shown = named_scores(audit)
    assert list(shown["controls"].items()) == [
        ("Peak level", {"p": 2, "heading": "shortcut"}),
        ("Direct sound", {"p": 1, "heading": "simple baseline"}),
    ]
    assert shown["shortcuts"] == ["Peak level", "own"]
    assert audit["shortcuts"] == ["peak", "own"]


def test_what_was_not_run_is_told_with_its_command():
    text = Page(bare_page(options="--env=test")).text
    assert "kedro run --pipelines=disentanglement,reporting --env=test\n" in text
    commands = [f"kedro run --pipelines={name} --env=test" for name in ("cross_validation",)]
    assert f"{commands[0]} && kedro run --pipelines=reporting --env=test\n" in text
    assert "That run left no manifest" in text
    assert "every file that was found was analysed" in text


def test_values_with_spaces_are_quoted_once_and_left_out_where_they_do_not_belong():
    options = "--env=fsdd '--params=corpus_file=my birds.yml,seed=2' --tags=a"
    assert of_runs(options) == f" {options}"
    assert of_scripts(options) == " --env=fsdd --params 'corpus_file=my birds.yml' seed=2"


def test_a_run_that_cannot_classify_is_not_named_in_a_command():
    text = Page(bare_page(options="--env=test")).text
    assert "classify PATH" not in text
    assert "did not train everything that is needed to classify your own recordings" in text
    assert "kedro run --env=test\n" in text


def test_an_unknown_part_of_the_page_is_an_error():
    with pytest.raises(KeyError, match="appendix"):
        render_page("title", [{"blocks": {"appendix": []}}])


def test_a_page_with_as_much_as_it_may_hold_is_under_10_mb():
    sound = player(np.random.default_rng(0).normal(size=2 * MOST_SAMPLES), 48000, "noise")
    # Six swaps of five sounds and six mistakes, as their sections limit them.
    swaps = [{"kind": "swap", "name": "x", "players": [sound] * 5}] * 6
    mistakes = [{**article_of("x"), "player": sound}] * 6
    page = render_page("title", [{"blocks": {"swaps": swaps, "mistakes": mistakes}}])
    assert "the first 1.2 s" in page
    # Figures of a real page take up to 4 MB.
    assert len(page) < 6e6
