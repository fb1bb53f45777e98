"""What every backend is told and tells."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Endpoint, EngineTemplate, ServingEvent, read_events
from tests.unit.builders import at


def test_events_are_read_oldest_first() -> None:
    events: list[Object] = [
        {"type": "Warning", "reason": "Late", "message": "b", "lastTimestamp": at(9), "count": 4},
        {"type": "Normal", "reason": "Early", "message": "a", "eventTime": at(2), "lastTimestamp": None},
    ]

    assert read_events(events) == [ServingEvent("Normal", "Early", "a", 1), ServingEvent("Warning", "Late", "b", 4)]


def test_an_endpoint_is_written_as_a_url() -> None:
    assert str(Endpoint("https", "chat.team.svc", 8000)) == "https://chat.team.svc:8000"


def test_a_template_that_says_nothing_is_empty() -> None:
    template = EngineTemplate()

    assert (template.image, template.command, template.args, template.simulated) == ("", [], [], False)
