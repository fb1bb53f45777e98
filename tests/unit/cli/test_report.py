"""The command `report`: what it reads, from where, and what it says where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from autotuner.cli.app import application
from tests.support.http_api import ApiOverHttp
from tests.unit.builders import merged
from tests.unit.html_report.read_page import parsed
from tests.unit.html_report.searched_task import finished_story, objects


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiOverHttp]:
    with ApiOverHttp(objects(finished_story())) as served:
        (folder / "kubeconfig").write_text(served.kubeconfig)
        # The client reads the variable once, when it is imported.
        monkeypatch.setattr(
            "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "kubeconfig")
        )
        yield served


def typed(*words: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(application("autotuner"), ["report", *words])
    return ended.exit_code, ended.stdout, ended.stderr


def test_a_file_and_a_cluster_give_the_same_page(folder: Path, cluster: ApiOverHttp) -> None:
    (folder / "finished.yaml").write_text(yaml.safe_dump_all(objects(finished_story())))

    assert typed("chat", "--namespace", "team", "--output", "cluster.html")[0] == 0
    code, text, _ = typed("chat", "--from", "finished.yaml")
    read = parsed((folder / "cluster.html").read_text())

    assert code == 0
    assert len(read.rows("runs")) == len(finished_story().experiments)
    assert list(read.all("pre", aria_label="inferenceservice.yaml"))
    # The last line says when it was made.
    assert text.partition("<footer>")[0] == (folder / "cluster.html").read_text().partition("<footer>")[0]


def test_of_others_it_reads_what_the_best_names(folder: Path) -> None:
    task, *rest = objects(finished_story())
    best = task["status"]["best"]["experiment"]
    theirs = {"metadata": {"labels": {"autotuner.io/task": "other"}, "ownerReferences": []}}
    named = [merged(one, theirs) if one["metadata"]["name"] == best else one for one in rest]
    (folder / "finished.yaml").write_text(yaml.safe_dump_all([task, *named]))

    code, text, _ = typed("chat", "--from", "finished.yaml")

    assert code == 0
    assert [row[1] for row in parsed(text).rows("runs") if row[0] == best] == ["Reused"]


def test_who_may_not_read_config_maps_has_the_rest(folder: Path, cluster: ApiOverHttp) -> None:
    cluster.forbidden.add("configmaps")

    code, text, _ = typed("chat", "--namespace", "team")

    assert code == 0
    assert "inferenceservice.yaml" not in text
    assert list(parsed(text).all("pre", aria_label="the arguments"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none", "-n", "team"), "there is no TuningTask none in namespace team: kubectl get tuningtasks --namespace"),
        (("none", "--from", "tasks.yaml"), "TuningTask none is not in tasks.yaml, where there are chat; write them"),
        (("chat", "--from", "absent.yaml"), "absent.yaml: No such file or directory"),
        (("chat", "--from", "bad.yaml"), "bad.yaml:"),
        (("chat", "--from", "newer.yaml"), "status.best.args: Field required; use the autotuner of the operator's"),
        (("chat", "--from", "tasks.yaml", "-o", "no/where.html"), "no/where.html: No such file or directory; name"),
    ],
)
def test_what_it_cannot_do_is_told(words: tuple[str, ...], said: str, folder: Path, cluster: ApiOverHttp) -> None:
    task = finished_story().task
    (folder / "tasks.yaml").write_text(yaml.safe_dump(task))
    (folder / "bad.yaml").write_text("a: [")
    (folder / "newer.yaml").write_text(yaml.safe_dump(merged(task, {"status": {"best": {"args": None}}})))

    code, text, problem = typed(*words)

    assert (code, text) == (1, "")
    assert said in problem
    assert problem.startswith("autotuner: ")


def test_what_the_api_server_does_not_show_is_told(folder: Path, cluster: ApiOverHttp) -> None:
    cluster.forbidden.add("tuningexperiments")

    code, _, problem = typed("chat", "--namespace", "team")

    assert code == 1
    assert "the API server does not show TuningTask chat: " in problem
