"""What the words of a refusal mean: a queue, a policy, or nothing that lasts. All words are the API server's own."""

from __future__ import annotations

import pytest

from autotuner.serving import refusals

POD = 'pods "chat-1-x" is forbidden: '
QUOTA = POD + "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=8, limited: 8"
LIMIT_RANGE = 'Pod "chat-1-x" is invalid: spec.containers[0].resources.requests: Invalid value: "1": must be less than'


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (QUOTA, "Quota"),
        (POD + "status unknown for quota: gpus, resources: requests.nvidia.com/gpu", "Quota"),
        (POD + "failed quota: limits: must specify limits.cpu for: benchmark", "Policy"),
        (POD + 'violates PodSecurity "restricted:latest": runAsNonRoot != true', "Policy"),
        (POD + "[maximum cpu usage per Container is 500m, but limit is 2]", "Policy"),
        (POD + "no PriorityClass with name nope was found", "Policy"),
        (LIMIT_RANGE, "Policy"),
        ('admission webhook "labels.example.com" denied the request: label team is missing', "Policy"),
        ("ValidatingAdmissionPolicy 'p' with binding 'b' denied request: cost centre is missing", "Policy"),
        (POD + 'error looking up service account team/default: serviceaccount "default" not found', "Passing"),
        (POD + "unable to create new content in namespace team because it is being terminated", "Passing"),
        ('Internal error occurred: failed calling webhook "mpod.kb.io": connect: connection refused', "Passing"),
        ('admission webhook "old.example.com" does not support dry run', "Passing"),
        ('pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n"', "Passing"),
        ("etcdserver: request timed out", "Passing"),
        ("something else", "Passing"),
    ],
)
def test_kind_by_words(words: str, kind: str) -> None:
    assert refusals.read(words).kind == kind


DOWN = 'Internal error occurred: failed calling webhook "mjob.kb.io": failed to call webhook: Post '
REFUSED = '/mutate-batch-v1-job?timeout=10s": dial tcp 10.96.0.7:443: connect: connection refused'
HEALS = (
    " mjob.kb.io does not answer, and without it nothing can be written: bring it back, then the deletion goes on by"
    " itself; take no finalizer off"
)


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (f'{DOWN}"https://kueue-webhook-service.kueue-system.svc:443{REFUSED}', f"Kueue's webhook{HEALS}"),
        (f'{DOWN}"https://jobs.policies.svc:443{REFUSED}', f"the webhook{HEALS}"),
        ("etcdserver: request timed out", ""),
        ("", ""),
    ],
)
def test_a_webhook_that_does_not_answer_is_named(words: str, want: str) -> None:
    assert refusals.silent_webhook(words) == want


@pytest.mark.parametrize("prefix", ["", "Error creating: ", "FailedCreate: ", "FailedCreate: Error creating: "])
def test_only_the_api_servers_own_words_are_kept(prefix: str) -> None:
    assert refusals.read(prefix + QUOTA) == refusals.Refusal("Quota", QUOTA)


@pytest.mark.parametrize(("words", "kind"), [(QUOTA, "Quota"), (LIMIT_RANGE, "Policy"), ("something else", "Policy")])
def test_an_answer_to_the_operator_itself_is_final_unless_it_is_a_queue(words: str, kind: str) -> None:
    assert refusals.of_an_answer(words).kind == kind
