"""Accelerators as nodes describe them: shared in time, cut into slices, of two models, of several makers."""

from __future__ import annotations

from autotuner.kubernetes_object import Object
from testbed.node.accelerators import AMD_WHOLE, DESCRIBED, Described, described_nodes
from tests.e2e.story import Story, condition
from tests.support.waiting import wait_for

SLICE, AMD, PRODUCT = "nvidia.com/mig-1g.10gb", "amd.com/gpu", "amd.com/gpu.product-name"
MI210 = {**AMD_WHOLE, PRODUCT: "AMD_Instinct_MI210", "amd.com/gpu.vram": "64G"}
# One testbed for all: what no cluster has beside each other does not get into each other's way.
NODES = {
    "node-a": Described(
        {**DESCRIBED["time slicing"].resources, **DESCRIBED["AMD"].resources},
        {**DESCRIBED["time slicing"].labels, **AMD_WHOLE},
    ),
    "node-b": Described(
        {**DESCRIBED["MIG mixed"].resources, **DESCRIBED["AMD"].resources},
        {**DESCRIBED["MIG mixed"].labels, **MI210},
    ),
}
ONE: Object = {"spec.parameters": [{"name": "mem-fraction-static", "values": [0.8]}], "spec.search.maxExperiments": 1}


async def test_accelerators_as_nodes_describe_them(story: Story) -> None:
    await story.make_runtime()
    async with described_nodes(story.api, NODES):
        # It reads nodes once a minute.
        story.operator.terminate()
        story.operator.start()
        await story.create_task(ONE, name="shared")
        await story.create_task(
            {"spec.placement": {"acceleratorResource": SLICE}, "spec.search.maxExperiments": 1}, name="slices"
        )
        await story.create_task(
            {
                **ONE,
                "spec.placement": {"acceleratorResource": AMD},
                "spec.objectives": [{"metric": "OutputThroughputPerGPU"}, {"metric": "TTFT"}],
            },
            name="amd",
        )
        await story.create_experiment("alone-1", {"spec.service.nodeSelector": {"kubernetes.io/hostname": "node-a"}})
        shared, slices = await refused(story, "shared"), await refused(story, "slices")
        assert "placement.allowShared: node-a shares nvidia.com/gpu among pods (time-slicing, 4 clients)" in shared
        assert "parameters[tp-size].values: tp-size 2: an engine cannot spread over MIG slices (1g.10gb)" in slices
        await story.patch_task({"placement": {"allowShared": True}}, "shared")
        await story.patch_task({"parameters": ONE["spec.parameters"]}, "slices")
        alone = await story.experiment_finished("alone-1")
        ended = {name: await story.task_finished(name) for name in ("shared", "slices", "amd")}
        ran = {item["metadata"]["name"]: item for item in await story.experiments()}
    status = alone["status"]
    assert (status["reason"], status["acceleratorSharing"]) == ("AcceleratorShared", "time-slicing, 4 clients")
    assert "set service.accelerator.allowShared: true" in status["message"]

    assert "on shared accelerators (time-slicing, 4 clients)" in ended["shared"]["status"]["message"]
    assert ended["shared"]["status"]["best"]["acceleratorSharing"] == "time-slicing, 4 clients"
    assert "figures depend on what the others do" in condition(ended["shared"], "Valid")["message"]

    own = ran["slices-1"]["spec"]["service"]["accelerator"]
    assert (own["resource"], own["product"]) == (SLICE, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb")
    assert own["label"] == f"{SLICE}.product"
    assert {ran[f"slices-{index}"]["status"]["node"] for index in (0, 1)} == {"node-b"}

    first, then = ran["amd-0"], ran["amd-1"]
    model = first["status"]["acceleratorProduct"]
    assert model == NODES[first["status"]["node"]].labels[PRODUCT]
    assert (then["spec"]["service"]["accelerator"]["product"], then["status"]["acceleratorProduct"]) == (model, model)
    assert then["spec"]["service"]["accelerator"]["label"] == PRODUCT
    assert then["status"]["node"] == first["status"]["node"]
    columns = ended["amd"]["status"]["columns"]
    assert columns["objectives"] == "OutputThroughputPerGPU, TTFT P99"
    assert columns["best"].endswith(" on the front")


async def refused(story: Story, name: str) -> str:
    """Why the task is not valid."""

    async def look() -> str:
        found = condition(await story.task(name), "Valid")
        return str(found["message"]) if found.get("status") == "False" else ""

    return await wait_for(look, f"task {name} is refused")
