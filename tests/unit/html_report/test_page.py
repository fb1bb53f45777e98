"""The page: it says what the status says, whatever becomes of a task, and nothing of others becomes an element."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shlex
from collections import Counter
from functools import cache
from typing import Any

import pytest

from autotuner import scoring
from autotuner.html_report import kept_report, page, report_data
from autotuner.html_report.report_data import ReportData
from autotuner.kubernetes_object import Object
from tests.unit.builders import after, merged
from tests.unit.html_report import searched_task
from tests.unit.html_report.read_page import Part, parsed
from tests.unit.html_report.searched_task import finished_story
from tests.unit.task_builders import Story, ending, make_task, started

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u202e\x1b[31m{{ 7*7 }}</style></title>'
SHOWN = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;U+202EU+001B[31m{{ 7*7 }}</style></title>'


@cache
def finished_html() -> str:
    return page.html(searched_task.finished())


@cache
def finished() -> Part:
    return parsed(finished_html())


def figures(read: Part) -> dict[str, str]:
    return {part.attributes["data-figure"]: part.text for part in read.all() if "data-figure" in part.attributes}


def test_every_figure_is_that_of_the_status() -> None:
    status = searched_task.finished().status
    best, baseline, usage = status.best, status.baseline, status.usage
    assert best is not None
    assert baseline is not None
    assert baseline.value is not None
    assert usage is not None
    assert best.confidence.low is not None
    assert best.confidence.high is not None
    metric = "OutputThroughputPerGPU"

    assert figures(finished()) == {
        "verdict": best.confidence.verdict,
        "best.value": scoring.format_value(best.value, metric),
        "best.gain": best.gain,
        "best.confidence": f"{best.confidence.low:+.1f}% to {best.confidence.high:+.1f}%",
        "best.confidence.repeats": str(best.confidence.repeats),
        "best.level": f"chat, concurrency {best.level.concurrency}",
        "best.experiment": best.experiment,
        "baseline.value": scoring.format_value(baseline.value, metric),
        "experiments.summary": "24/24",
        "usage.gpuHours": f"{usage.gpu_hours:g}",
        "search.expectedGain": status.search.expected_gain if status.search else "",
    }


def test_the_arguments_to_paste_are_those_of_the_best() -> None:
    best = finished_story().task["status"]["best"]

    assert shlex.split(finished().one("pre", aria_label="the arguments").text) == best["args"]


def test_what_is_to_be_applied_stands_there_as_it_is() -> None:
    written = finished_story().plans[-1].write_recommendation
    assert written is not None

    assert finished().one("pre", aria_label="inferenceservice.yaml").text == written["data"]["inferenceservice.yaml"]
    assert not list(finished().all("pre", aria_label="report.md"))


def test_what_parameters_matter_and_do_is_that_of_the_status() -> None:
    status = finished_story().task["status"]

    assert finished().rows("importance-table") == [
        [one["name"], f"{one['share'] * 100:.1f}%"] for one in status["importance"]
    ]
    assert [row[:3] for row in finished().rows("effects-table")] == [
        [one["name"], one["value"], one.get("before", "the engine's default")] for one in status["flagEffects"]
    ]


def test_every_experiment_has_a_row() -> None:
    rows = finished().rows("runs")
    experiments = finished_story().experiments

    assert [row[0] for row in rows] == [one["metadata"]["name"] for one in experiments]
    assert [row[2] for row in rows] == [one["status"]["reason"] for one in experiments]
    hours = [float(row[8]) for row in rows]
    assert hours == [round(one["status"]["gpuSeconds"] / 3600, 3) for one in experiments]


def test_the_stages_add_up_to_the_gpu_hours_of_the_status() -> None:
    told = sum(float(row[2]) for row in finished().rows("stages"))

    assert told == pytest.approx(finished_story().task["status"]["usage"]["gpuHours"], abs=0.03)


def test_it_is_one_file_that_asks_nobody_for_anything() -> None:
    read = finished()
    identities = [part.attributes["id"] for part in read.all() if "id" in part.attributes]

    assert [count for count in Counter(identities).values() if count > 1] == []
    assert not [
        part.tag for part in read.all() if {"src", "srcset", "style", "action", "data"} & part.attributes.keys()
    ]
    links = [part.attributes["href"] for part in read.all() if "href" in part.attributes]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(identities)
    assert "http" not in read.one("style").text
    assert "url(" not in read.one("style").text


def test_nothing_but_its_own_style_and_script_may_run() -> None:
    read = finished()
    policy = read.one("meta", http_equiv="Content-Security-Policy").attributes["content"]

    def allowed(part: Part) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(part.text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; style-src {allowed(read.one('style'))}; script-src {allowed(read.one('script'))};"
        " base-uri 'none'; form-action 'none'"
    )


CONDITION = {
    "type": EVIL[:60],
    "status": "False",
    "reason": EVIL[:60],
    "message": EVIL,
    "lastTransitionTime": EVIL[:40],
}


def hostile() -> ReportData:
    """A task in which every text that others write is an attack."""
    story = finished_story()
    experiments = [
        merged(
            one,
            {
                "metadata": {"name": one["metadata"]["name"]},
                "spec": {
                    "parameters": [{"name": "x", "value": EVIL}],
                    "service": {"args": [EVIL], "image": "", "engine": "SGLang"},
                },
                "status": {
                    "message": EVIL,
                    "node": "node",
                    "image": EVIL,
                    "imageID": EVIL,
                    "acceleratorProduct": EVIL[:60],
                    "engineVersion": EVIL[:60],
                    "notes": [EVIL],
                    **({"evidence": {"logTail": EVIL}} if one["status"]["reason"] == "OutOfMemory" else {}),
                },
            },
        )
        for one in story.experiments
    ]
    task = merged(
        story.task,
        {
            "metadata": {"name": EVIL, "namespace": EVIL, "uid": EVIL},
            "status": {
                "message": EVIL,
                "phase": "Succeeded",
                "best": {
                    "args": [EVIL],
                    "breaks": [EVIL],
                    "acceleratorSharing": EVIL[:60],
                    "gain": EVIL[:60],
                },
                "flagEffects": [{"name": "x", "value": EVIL, "before": EVIL, "source": "Estimated", "percent": 1.0}],
                "conditions": [CONDITION],
            },
        },
    )
    files = {"data": {EVIL: EVIL}}
    return report_data.read(task, experiments, after(0), recommendation=files)


def test_no_text_of_others_becomes_an_element() -> None:
    html = page.html(hostile())
    read = parsed(html)

    assert {part.tag for part in read.all()} <= {part.tag for part in finished().all()}
    assert len(list(read.all("script"))) == 1
    assert not [name for part in read.all() for name in part.attributes if name.startswith("on")]
    assert read.one("script").text == finished().one("script").text
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "49" not in read.one("h1").text


@pytest.mark.parametrize(
    "place",
    ["title", "h3", "the arguments", "message", "log", "parameters", "flag", "image", "condition", "warning"],
)
def test_it_shows_as_text(place: str) -> None:
    read = parsed(page.html(hostile()))
    found = {
        "title": lambda: [next(read.all("title")).text],
        "h3": lambda: [part.text for part in read.all("h3")],
        "the arguments": lambda: shlex.split(read.one("pre", aria_label="the arguments").text),
        "message": lambda: [part.text for part in read.one("section", id="verdict").all("p")],
        "log": lambda: [part.text for part in read.one("section", id="experiments").all("pre")],
        "parameters": lambda: [row[5].removeprefix("x=") for row in read.rows("runs")],
        "flag": lambda: read.rows("effects-table")[0],
        "image": lambda: [part.text for part in read.one("section", id="provenance").all("dd")],
        "condition": lambda: [part.text for part in read.one("section", id="provenance").all("td")],
        "warning": lambda: [part.text for part in read.all("p", **{"class": "warning"})],
    }[place]()

    assert any(SHOWN in text for text in found), found


def failed() -> ReportData:
    story = Story(started())
    while not story.plans or not story.over:
        story.step()
        if story.experiments and not story.over:
            story.end(ending("ModelUnsupported", message="the engine does not know FooForCausalLM"))
    return searched_task.of(story)


def without_space() -> ReportData:
    """A spec of a newer version, which this one cannot read."""
    return report_data.read(make_task(objectives="new"), [], after(0))


def invalid() -> ReportData:
    problem = {"type": "Valid", "status": "False", "reason": "UnknownFlag", "message": "parameters[x]: no such flag"}
    conditions = [{**problem, "lastTransitionTime": "2026-03-01T12:00:00Z"}]
    return report_data.read(make_task(status={"phase": "Pending", "conditions": conditions}), [], after(0))


@pytest.mark.parametrize(
    ("data", "headline", "words"),
    [
        (searched_task.under_way, "So far: ", "The task is not finished"),
        (failed, "No result: ModelUnsupported", "FooForCausalLM"),
        (invalid, "The task is invalid: nothing was measured", "UnknownFlag: parameters[x]: no such flag"),
        (without_space, "The task is invalid: nothing was measured", "cannot read the task: spec.objectives"),
        (lambda: report_data.read(make_task(), [], after(0)), "Not looked at yet", "There are none yet."),
    ],
    ids=["running", "failed", "invalid", "of a newer version", "new"],
)
def test_it_tells_what_there_is(data: Any, headline: str, words: str) -> None:
    read = parsed(page.html(data()))

    assert headline in read.one("h1").text
    assert words in read.text


def test_a_front_has_a_row_for_each_configuration() -> None:
    front = [
        {
            "experiment": f"chat-{number}",
            "args": [f"--tp-size={number}"],
            "values": [
                {"metric": "OutputThroughput", "concurrency": 32, "value": 1000.0 + number},
                {"metric": "TTFT", "statistic": "P99", "concurrency": 8, "value": 0.25},
            ],
        }
        for number in (1, 2)
    ]
    objectives = [{"metric": "OutputThroughput"}, {"metric": "TTFT", "statistic": "P99", "concurrency": 8}]
    story = finished_story()
    task: Object = merged(story.task, {"spec": {"objectives": objectives}, "status": {"front": front, "best": None}})
    read = parsed(page.html(report_data.read(task, story.experiments, after(0))))

    assert read.one("h1").text == "2 configurations to choose from"
    assert read.rows("front") == [
        ["chat-1", "1001 tok/s at 32", "250 ms at 8", "--tp-size=1"],
        ["chat-2", "1002 tok/s at 32", "250 ms at 8", "--tp-size=2"],
    ]


def test_environment_variables_are_nobodys_business() -> None:
    variants = [{"name": "a", "args": ["--enable-mixed-chunk"], "env": [{"name": "TOKEN", "value": "s3cret"}]}]
    pod = {"env": [{"name": "HTTPS_PROXY", "value": "s3cret"}]}
    runtime = {"env": [{"name": "HF_TOKEN", "value": "s3cret"}]}
    spec = {
        "parameters": [{"name": "speculation", "variants": variants}],
        "benchmark": {"pod": pod},
        "runtime": runtime,
    }

    html = page.html(report_data.read(make_task(**spec), [], after(0)))

    assert "--enable-mixed-chunk" in html
    assert "s3cret" not in html


@cache
def large() -> tuple[ReportData, str]:
    data = searched_task.large(1000)
    return data, page.html(data)


def test_a_page_of_a_thousand_experiments_is_below_a_megabyte() -> None:
    _, html = large()

    assert len(html.encode()) < 1_000_000
    assert len(parsed(html).rows("runs")) == 1000


def test_it_fits_into_a_config_map_and_comes_out_as_it_was() -> None:
    data, html = large()
    kept = kept_report.config_map(data)
    assert kept is not None
    packed = base64.b64decode(kept["binaryData"]["report.html.gz"])

    assert len(packed) < 200_000
    assert gzip.decompress(packed).decode() == html
    assert kept == kept_report.config_map(data)
    assert kept["metadata"]["ownerReferences"][0]["uid"] == "uid-chat"
