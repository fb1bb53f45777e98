"""Which servers are asked through a proxy, and what a message says of one."""

from __future__ import annotations

import pytest

from autotuner.proxies import proxy_for, through, without_password

PROXY = "http://proxy.corp:3128"


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "https://api.corp:6443", None),
        ({"HTTPS_PROXY": PROXY}, "https://api.corp:6443", PROXY),
        ({"https_proxy": PROXY}, "https://api.corp:6443", PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, "https://api.corp:6443", PROXY),
        ({"HTTPS_PROXY": "", "https_proxy": PROXY}, "https://api.corp", PROXY),
        ({"HTTP_PROXY": PROXY}, "https://api.corp:6443", None),
        ({"HTTP_PROXY": PROXY}, "http://api.corp", PROXY),
        ({"HTTPS_PROXY": "proxy.corp:3128"}, "https://api.corp", PROXY),
        ({"HTTPS_PROXY": "http://me:pass@proxy:1"}, "https://api.corp", "http://me:pass@proxy:1"),
        # What is on this machine is never asked through another.
        ({"HTTPS_PROXY": PROXY}, "https://localhost:6443", None),
        ({"HTTPS_PROXY": PROXY}, "https://127.0.0.1:6443", None),
        ({"HTTPS_PROXY": PROXY}, "https://[::1]:6443", None),
    ],
)
def test_the_environment_names_the_proxy(environment: dict[str, str], url: str, expected: str | None) -> None:
    assert proxy_for(url, environment) == expected


@pytest.mark.parametrize(
    ("no_proxy", "host", "spared"),
    [
        ("*", "api.corp", True),
        ("other.corp,api.corp", "api.corp", True),
        ("corp", "api.corp", True),
        (".corp", "api.corp", True),
        ("*.corp", "api.corp", True),
        (".api.corp", "api.corp", False),
        ("pi.corp", "api.corp", False),
        ("API.Corp", "api.corp", True),
        (" api.corp ", "api.corp", True),
        ("api.corp:6443", "api.corp", True),
        ("api.corp:443", "api.corp", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7:6443", "10.0.0.7", True),
        ("10.0.0.7:443", "10.0.0.7", False),
        ("10.0.0.0/8", "10.200.3.4", True),
        ("10.0.0.7/8", "10.200.3.4", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "api.corp", False),
        ("fd00::/8", "[fd00::7]", True),
        ("fd00::7", "[fd00::7]", True),
        ("[fd00::7]:6443", "[fd00::7]", True),
        ("[fd00::7]:443", "[fd00::7]", False),
        ("10.0.0.0/99,,corp:x", "10.0.0.1", False),
        ("", "api.corp", False),
    ],
)
def test_no_proxy_has_names_ports_and_ranges(no_proxy: str, host: str, spared: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        found = proxy_for(f"https://{host}:6443", {"HTTPS_PROXY": PROXY, name: no_proxy})
        assert found == (None if spared else PROXY)


def test_the_port_is_that_of_the_scheme_where_none_is_given() -> None:
    assert proxy_for("https://api.corp", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.corp:443"}) is None


@pytest.mark.parametrize("value", ["socks5://proxy:1080", "http://", "ftp://me:secret@proxy"])
def test_what_is_no_http_proxy_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ValueError, match=r"HTTPS_PROXY: .* is no HTTP proxy; write http://HOST:PORT") as problem:
        proxy_for("https://api.corp", {"HTTPS_PROXY": value})
    assert "secret" not in str(problem.value)


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [(PROXY, PROXY), ("http://me:p@ss@proxy:1", "http://proxy:1"), ("https://me@proxy", "https://proxy")],
)
def test_a_password_is_in_no_message(proxy: str, expected: str) -> None:
    assert without_password(proxy) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://me:pass@proxy:1"}, " through the proxy http://proxy:1"),
        (
            {"HTTPS_PROXY": "socks5://proxy:1"},
            " (HTTPS_PROXY: socks5://proxy:1 is no HTTP proxy; write http://HOST:PORT)",
        ),
    ],
)
def test_a_message_names_the_way_to_a_server(environment: dict[str, str], expected: str) -> None:
    assert through("https://hub", environment) == expected
