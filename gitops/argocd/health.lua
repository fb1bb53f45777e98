-- Argo CD's judgement of a TuningTask or a TuningExperiment; argocd-cm.yaml beside this file holds it ready to apply.
-- A task in Git is Progressing while it measures, Healthy with its answer, Degraded when somebody has to do something.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(kind, value)
  return conditions[kind] ~= nil and conditions[kind].status == value
end

local function health(verdict, message)
  return {status = verdict, message = message or ""}
end

-- The end is final: no later edit changes it, so it is not asked which generation it was seen in.
if is("Finished", "True") then
  local reason = conditions.Finished.reason or ""
  if is("Succeeded", "True") then
    return health("Healthy", status.message)
  end
  if reason == "Cancelled" then
    return health("Suspended", "cancelled on request")
  end
  return health("Degraded", reason .. ": " .. (status.message or ""))
end

if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "waiting for the operator to look at this version of the spec")
end
if is("Valid", "False") then
  return health("Degraded", conditions.Valid.reason .. ": " .. (conditions.Valid.message or ""))
end
if is("Released", "False") and conditions.Released.reason == "TeardownStuck" then
  return health("Degraded", "TeardownStuck: " .. (conditions.Released.message or ""))
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return health("Suspended", status.message)
end
return health("Progressing", status.message)
