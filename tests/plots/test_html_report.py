"""The report is one escaped page that says what its figures do not show."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.evaluation.summary import (
    classification_report_table,
    confusion_table,
    summarise,
)
from disentangled_audio.plots.report import (
    answer,
    cautions,
    main_model,
    render_report,
    report_figures,
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
            table[f"p_{name}"] = (predicted == place).astype(float)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def metrics_of(predictions, controls, simulated=False):
    return summarise(
        predictions,
        controls,
        corpus="twin",
        simulated=simulated,
        protocol="rooms",
        target="database",
        n_resamples=200,
    )


def simple_metrics(model=0.9, control=0.4, simulated=False, **options):
    classes = ["a", "b"]
    return metrics_of(
        predictions_of({"svm": 0.7, "hybrid": model}, classes, **options),
        predictions_of({"byte_size": control, "duration": 0.3}, classes, **options),
        simulated=simulated,
    )


@pytest.fixture(scope="module")
def page():
    classes = ["a", NASTY]
    predictions = predictions_of({"svm": 0.7, "hybrid": 0.9}, classes)
    metrics = metrics_of(predictions, predictions_of({"duration": 0.4}, classes), simulated=True)
    report, confusion = classification_report_table(predictions), confusion_table(predictions)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "validation_loss": [2.0, 1.5]})
    return render_report(
        metrics,
        report,
        confusion,
        pd.DataFrame({"path": [f"{NASTY}.wav"], "reason": ["matches no pattern"]}),
        {
            "description": f"Twin {NASTY}",
            "rights": [{"licence": "CC BY 4.0", "citation": "Someone (2020)"}],
            "findings": [f"99 of 100 expected recordings were found ({NASTY})."],
            "simulated": True,
            "counts": {"recordings": 200},
        },
        {"svm": {"kernel": NASTY, "c": [1, 10]}},
        report_figures(metrics, report, confusion, history),
    )


class Page(HTMLParser):
    """Collects tags in order and the text of the page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.images, self.text, self.open = [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in {"meta", "img"}:
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
    assert "http" not in page
    assert not {"link", "iframe"} & set(parsed.tags)
    # Comparison, training, and three for each of two models.
    assert len(parsed.images) == 8
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.images)
    assert all(image["alt"] for image in parsed.images)


def test_title_says_simulated(page):
    assert "<title>Classifying database in twin (simulated recordings)</title>" in page


def test_order_of_the_page(page):
    text = Page(page).text
    parts = [
        "balanced accuracy of",
        "A control sees numbers of the file",
        "Most frequent errors",
        "99 of 100 expected recordings",
        "found and not analysed",
        "svm.kernel",
        "CC BY 4.0",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert page.index("<h3>hybrid</h3>") < page.index("<h3>svm</h3>")


def test_the_audit_is_escaped_and_has_a_place():
    predictions = predictions_of({"hybrid": 0.9}, ["a", "b"])
    report, confusion = classification_report_table(predictions), confusion_table(predictions)
    metrics = metrics_of(predictions, predictions_of({"duration": 0.4}, ["a", "b"]))
    rejected = pd.DataFrame(columns=["path", "reason"])
    facts = {"verdict": [f"The duration tells {NASTY}."]}
    page = render_report(metrics, report, confusion, rejected, facts, {}, {})
    parsed = Page(page)
    assert f"The duration tells {NASTY}." in parsed.text
    assert "script" not in parsed.tags
    assert 'href="#audit"' in page
    assert page.index('id="audit"') < page.index('id="models"')


def test_a_caution_names_few_of_many_controls():
    controls = {f"control_{k}": 0.8 + k / 20 for k in range(4)}
    classes = ["a", "b"]
    metrics = metrics_of(
        predictions_of({"hybrid": 0.9}, classes), predictions_of(controls, classes)
    )
    (caution,) = (text for text in cautions(metrics) if "A shortcut does as well" in text)
    assert caution.index("control_3") < caution.index("control_2")
    assert "and 1 other overlaps" in caution


def test_page_without_figures_or_facts():
    metrics = simple_metrics()
    predictions = predictions_of({"svm": 0.7, "hybrid": 0.9}, ["a", "b"])
    page = render_report(
        metrics,
        classification_report_table(predictions),
        confusion_table(predictions),
        pd.DataFrame(columns=["path", "reason"]),
        {},
        {},
        {},
    )
    assert "simulated recordings" not in page
    assert "every file that was found was analysed" in page
    assert Page(page).images == []
    assert 'id="audit"' not in page


def test_answer_has_the_figures():
    sentence = answer(simple_metrics())
    assert "On 200 test items of 20 groups, hybrid names the database" in sentence
    assert "0.90 (95 % interval" in sentence
    assert "guessing reaches 0.50" in sentence
    assert "byte_size, reaches 0.40" in sentence


def test_clear_result_needs_no_caution():
    assert cautions(simple_metrics()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"control": 0.9}, "byte_size 0.90"),
        ({"n_groups": 1}, "one group"),
        ({"n_groups": 5}, "5 groups only"),
        ({"model": 1.0}, "no error"),
        ({"model": 0.5}, "svm does better than hybrid"),
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
