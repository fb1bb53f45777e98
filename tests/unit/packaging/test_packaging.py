"""What is shipped: the wheel's content, the image recipe, and files that have to agree with each other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from autotuner import __version__
from autotuner.api import crd
from autotuner.api.task_defaults import TaskDefaults
from autotuner.cli import kubectl_yaml
from autotuner.settings import Settings

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "autotuner"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = ROOT / ".cache" / "uv" / "bin" / "uv"
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    (archive,) = folder.glob("*.whl")
    zipfile.ZipFile(archive).extractall(folder / "content")
    return folder / "content"


def run_from(folder: Path, code: str) -> str:
    """Runs code whose `autotuner` is that in `folder`; its dependencies are those of the tests."""
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder).stdout


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = ROOT / "operator" / "autotuner"
    written = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}

    missing = [path for path in written if not (wheel / "autotuner" / path).is_file()]

    assert not missing
    assert {path.suffix for path in written} >= {".j2", ".json", ".py", ".typed"}  # templates, tokenizer, flags


def test_the_operator_finds_the_presets_of_its_wheel(wheel: Path) -> None:
    code = "from autotuner import presets; f = presets.default_folder(); print(f, *presets.load(f).runtimes)"

    folder, *names = run_from(wheel, code).split()

    assert Path(folder).is_relative_to(wheel)
    assert set(names) == {path.stem for path in (ROOT / "presets" / "runtimes").glob("*.yaml")}


def test_the_wheel_holds_nothing_but_the_product(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir()} == {"autotuner", f"autotuner-{__version__}.dist-info"}


def test_one_version_everywhere() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    images = {
        image
        for path in [*ROOT.glob("presets/runtimes/*.yaml"), *ROOT.glob("manifests/**/*.yaml"), ROOT / "Dockerfile"]
        for image in re.findall(r"docker\.io/autotuner/\w+:\S+", path.read_text())
    }

    assert (chart["version"], chart["appVersion"], project["version"]) == (__version__,) * 3
    assert images == {f"docker.io/autotuner/{name}:{__version__}" for name in ("operator", "benchmark")}
    assert Settings().benchmark_image in images


def test_the_charts_copies_are_those_of_their_sources() -> None:
    done = subprocess.run(
        [sys.executable, "packaging/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_every_value_has_a_schema_and_every_schema_a_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    assert set(values) == set(schema["properties"]) - {"global"}
    for name, value in values.items():
        described = schema["properties"][name]
        if described.get("properties") and value:
            optional = {"requests", "limits"}
            assert set(value) | optional == set(described["properties"]) | optional, name


def test_the_charts_task_defaults_are_those_that_the_operator_takes() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["taskDefaults"]["properties"]
    takes = crd.schema(TaskDefaults)["properties"]
    every_task_says = {name for name, field in takes["placement"]["properties"].items() if "default" in field}

    assert set(schema) == set(takes)
    assert set(schema["benchmark"]["properties"]["pod"]["properties"]) == set(
        takes["benchmark"]["properties"]["pod"]["properties"]
    )
    assert set(schema["placement"]["properties"]) == set(takes["placement"]["properties"]) - every_task_says


def test_the_image_recipe_installs_what_the_dockerfile_has_in_its_context() -> None:
    recipe = (ROOT / "packaging" / "install-image.sh").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    context = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)).split()

    assert sorted(copied) == sorted(context)
    assert "--require-hashes" in recipe
    for image in ("operator", "benchmark"):
        assert f"packaging/install-image.sh {image} /opt/autotuner" in dockerfile
        assert f"FROM base AS {image}\n" in dockerfile
        assert (ROOT / "locks" / f"{image}.txt").is_file()


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(["sh", "packaging/install-image.sh", "other", tmp_path], cwd=ROOT, capture_output=True)

    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_no_key_of_the_permissions_is_written_twice() -> None:
    """YAML takes the last of two, so that what the first grants would be lost without a word."""
    (found,) = kubectl_yaml.read((ROOT / "packaging" / "rbac.yaml").read_text())

    assert list(found.duplicates) == []
