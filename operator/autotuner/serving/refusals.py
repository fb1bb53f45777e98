"""What it means that the API server refuses an object, read from its words: a controller passes on nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

RefusalKind = Literal["Quota", "Policy", "Passing"]

# Words of the API server's plug-in ResourceQuota. "must specify limits.cpu" is its word too, and no queue ends that.
_QUOTA = re.compile(r"exceeded quota: |status unknown for quota: ")
# What may go by itself, or says nothing about the object: a webhook that is down, a namespace's account that is not
# there yet, a plug-in that cannot be asked, a right that the operator was not given.
_PASSING = re.compile(
    r"failed calling webhook|Internal error occurred|error looking up service account|does not support dry run"
    r"|cannot create resource|being terminated|timed out|try again later"
)
_REFUSED = re.compile(r"\bforbidden\b|\bis invalid\b|denied (?:the )?request|Invalid value|violates PodSecurity")
_WEBHOOK = re.compile(r"failed calling webhook \"?([^\s\":]+)")
_NAMESPACE_GOES = "because it is being terminated"
_PREFIX = re.compile(r"^(FailedCreate: )?(Error creating: )?")


@dataclass(frozen=True)
class Refusal:
    """A refusal of the API server.

    Attributes:
        kind: Quota is a queue, which others leave; Policy stays until somebody changes something; Passing is no word
            about the object.
        words: the API server's own.
    """

    kind: RefusalKind
    words: str

    @property
    def webhook(self) -> str:
        """The webhook that did not answer; empty if that is not why."""
        found = _WEBHOOK.search(self.words)
        return found[1] if found else ""


def read(words: str) -> Refusal:
    """The refusal in an event, a condition or an answer."""
    words = _PREFIX.sub("", words)
    if _QUOTA.search(words):
        return Refusal("Quota", words)
    if _PASSING.search(words) or not _REFUSED.search(words):
        return Refusal("Passing", words)
    return Refusal("Policy", words)


def namespace_goes(words: str) -> bool:
    """Whether the API server refuses because the namespace is being deleted: then it refuses all that is new there."""
    return _NAMESPACE_GOES in words


def silent_webhook(words: str) -> str:
    """What to say of a release that hangs because a webhook does not answer, by the API server's words; else empty."""
    name = Refusal("Passing", words).webhook
    if not name:
        return ""
    whose = "Kueue's webhook" if "kueue" in words else "the webhook"
    return (
        f"{whose} {name} does not answer, and without it nothing can be written: bring it back, then the deletion"
        " goes on by itself; take no finalizer off"
    )


def of_an_answer(words: str) -> Refusal:
    """The refusal in an answer to the operator itself, which sending the same again would not change."""
    found = read(words)
    return found if found.kind == "Quota" else Refusal("Policy", found.words)


def replica_failure(deployment: Mapping[str, Any]) -> str:
    """Why a Deployment cannot make pods (quota, Pod Security), in the API server's words; empty if it can."""
    for condition in (deployment.get("status") or {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""
