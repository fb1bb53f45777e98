"""Images with this machine's own Python, and with packages on top of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.real_node.oci import Layer, load, save

# The interpreter that the environment of this process is made from, which is what has pip.
INTERPRETER = Path(sys.executable).resolve()
_PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
_LIBRARIES = f"usr/lib/{sysconfig.get_config_var('MULTIARCH') or 'x86_64-linux-gnu'}"
# Of the system by the manylinux rules: not in a wheel, and the interpreter itself may not load them.
_WHEELS_EXPECT = re.compile(r"lib(gcc_s|m|dl|rt|c|nsl|util|pthread|resolv|z|expat|gomp|atomic|anl|stdc\+\+)\.so\.\d+")
_NOT_NEEDED = re.compile(
    r"(^|/)(site-packages|test|tests|idlelib|turtledemo|tkinter|ensurepip|lib2to3|config-[^/]*)(/|$)"
)
_NO_NAMES = {"busybox", "wget", "nslookup"}  # a static busybox cannot resolve names
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_ENVIRONMENT = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1", "LANG=C.UTF-8"]
_LDD_BATCH = 50
_USER = "65532:65532"  # the Dockerfile's


class ImageError(Exception):
    """An image could not be made; the message has the end of what the program said."""


def save_python(out: Path, name: str) -> None:
    """Write an image of this machine's interpreter, the libraries that it loads, curl and a busybox shell."""
    layer = Layer()
    _skeleton(layer)
    layer.tree(f"usr/local/lib/{_PYTHON}", Path(sysconfig.get_path("stdlib")), _NOT_NEEDED, keep_time=True)
    layer.file(f"usr/local/bin/{_PYTHON}", INTERPRETER, 0o755)
    layer.link("usr/local/bin/python3", _PYTHON)
    layer.link("usr/local/bin/python", _PYTHON)
    extensions = sorted(Path(sysconfig.get_path("stdlib"), "lib-dynload").glob("*.so"))
    _add_libraries(layer, [INTERPRETER, *extensions, *_add_programs(layer)])
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        save(out, name, [layer.write(Path(folder) / "layer")], {"Env": _ENVIRONMENT, "Cmd": ["python3"]})


def save_packages(out: Path, name: str, base: Path, arguments: Sequence[str], working_folder: Path) -> None:
    """Write an image with one more layer than another: what `pip install` puts there.

    Args:
        out: the tar.
        name: ``HOST/REPOSITORY:TAG``.
        base: an image that `save_python` or this function wrote.
        arguments: of ``pip install``.
        working_folder: where pip runs.

    Raises:
        ImageError: pip failed.
    """
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        layers, config = load(base, Path(folder))
        site = Path(folder) / "site"
        _install(site, arguments, working_folder)
        save(out, name, [*layers, _packages(site).write(Path(folder) / "layer")], {**config, "User": _USER})


def _skeleton(layer: Layer) -> None:
    for top in ("bin", "sbin", "lib", "lib64"):
        layer.folder(f"usr/{top}")
        layer.link(top, f"usr/{top}")
    for folder in ("etc", "proc", "sys", "dev", "run", "var/tmp", "home", "root", _site_folder()):
        layer.folder(folder)
    layer.folder("tmp", 0o1777)
    layer.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n")
    layer.text("etc/group", "root:x:0:\nnogroup:x:65534:\n")
    layer.text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    if _CERTIFICATES.exists():
        layer.file(str(_CERTIFICATES).lstrip("/"), _CERTIFICATES)


def _site_folder() -> str:
    """Where the image's Python finds packages; Debian's own Python calls the folder dist-packages."""
    look = [str(INTERPRETER), "-Ic", "import site; print(site.getsitepackages()[0])"]
    found = subprocess.run(look, capture_output=True, text=True, check=True).stdout.strip()
    return f"usr/local/lib/{_PYTHON}/{Path(found).name}"


def _add_programs(layer: Layer) -> list[Path]:
    """Add a shell and curl; returns those that load libraries."""
    busybox = shutil.which("busybox")
    if busybox:
        layer.file("usr/bin/busybox", Path(busybox), 0o755)
        listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
        for applet in sorted(set(listed) - _NO_NAMES):
            layer.link(f"usr/bin/{applet}", "busybox")
    dynamic = [Path(path).resolve() for name in _dynamic_programs(busybox) if (path := shutil.which(name))]
    for program in dynamic:
        layer.file(f"usr/bin/{program.name}", program, 0o755)
    return dynamic


def _dynamic_programs(busybox: str | None) -> tuple[str, ...]:
    return ("curl",) if busybox else ("curl", "sh", "sleep", "cat")


def _add_libraries(layer: Layer, programs: Sequence[Path]) -> None:
    for name, path in {**_loaded(programs), **_expected()}.items():
        if name.startswith("/"):  # the loader, at the fixed place where programs look for it
            layer.file(f"usr/{name.lstrip('/').removeprefix('usr/')}", path, 0o755)
        else:
            layer.file(f"{_LIBRARIES}/{Path(name).name}", path)


def _loaded(programs: Sequence[Path]) -> dict[str, Path]:
    """Every shared library that these programs load, by name."""
    found: dict[str, Path] = {}
    for begin in range(0, len(programs), _LDD_BATCH):
        batch = programs[begin : begin + _LDD_BATCH]
        text = subprocess.run(["ldd", *batch], capture_output=True, text=True).stdout
        for match in re.finditer(r"(?:(\S+) => )?(/\S+) \(0x", text):
            found[match[1] or match[2]] = Path(match[2]).resolve()
    return found


def _expected() -> dict[str, Path]:
    """What wheels expect of a system, as far as this machine has it."""
    own = {**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    text = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, env=own).stdout
    known = re.findall(r"^\s*(\S+) \(libc6,(?:x86-64|AArch64)[^)]*\) => (\S+)", text, re.MULTILINE)
    return {name: Path(path).resolve() for name, path in known if _WHEELS_EXPECT.fullmatch(name)}


def _install(site: Path, arguments: Sequence[str], working_folder: Path) -> None:
    options = ["--quiet", "--no-compile", "--no-warn-script-location", "--root-user-action=ignore", f"--target={site}"]
    command: list[str | Path] = [INTERPRETER, "-m", "pip", "install", *options, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=working_folder)
    if ended.returncode != 0:
        raise ImageError(f"pip install {' '.join(arguments)}: {ended.stderr[-2000:]}")
    # Compiled here, once: a container would compile at each of its starts.
    options = ["-q", "-j0", "--invalidation-mode=unchecked-hash", "-s", str(site), "-p", f"/{_site_folder()}"]
    subprocess.run([INTERPRETER, "-m", "compileall", *options, str(site)], capture_output=True)


def _packages(site: Path) -> Layer:
    layer = Layer()
    for script in sorted(path for path in site.glob("bin/*") if path.is_file()):
        content = script.read_bytes()
        first, _, rest = content.partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            layer.text(f"usr/local/bin/{script.name}", f"#!/usr/local/bin/{_PYTHON}\n{rest.decode()}", 0o755)
        else:
            layer.file(f"usr/local/bin/{script.name}", script, 0o755)
    layer.tree(_site_folder(), site, re.compile(r"^bin$"))
    return layer
