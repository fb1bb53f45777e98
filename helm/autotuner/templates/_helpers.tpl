{{/* The name of everything in the release's namespace. */}}
{{- define "autotuner.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "autotuner.selector" -}}
app.kubernetes.io/name: autotuner
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "autotuner.labels" -}}
app.kubernetes.io/name: autotuner
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: autotuner
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "autotuner.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "autotuner.podSecurity" -}}
runAsNonRoot: true
{{- if eq .Values.securityContext "Restricted" }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "autotuner.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The environment that says where the operator works; `cancel` needs the same. */}}
{{- define "autotuner.scope" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- with .Values.watchNamespaces }}
- {name: AUTOTUNER_NAMESPACES, value: {{ join "," . | quote }}}
{{- end }}
- {name: AUTOTUNER_LOG_FORMAT, value: {{ .Values.logFormat | quote }}}
{{- end -}}

{{/*
A role and its binding to a service account. Takes a dict: root, name, account, rules; namespace for a Role, else it is
a ClusterRole; annotations, if any.
*/}}
{{- define "autotuner.grant" -}}
{{- $prefix := ternary "" "Cluster" (hasKey . "namespace") }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}Role
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "autotuner.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $prefix }}RoleBinding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "autotuner.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $prefix }}Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Fails where the CRDs are there and are not this release's, with the ways out: Helm's own refusal names none. */}}
{{- define "autotuner.checkOwnerOfCRDs" -}}
{{- $names := list -}}
{{- $others := list -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
{{- $name := ($.Files.Get $path | fromYaml).metadata.name -}}
{{- $names = append $names $name -}}
{{- with lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $name -}}
{{- $notes := .metadata.annotations | default dict -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $release := index $notes "meta.helm.sh/release-name" | default "" -}}
{{- $namespace := index $notes "meta.helm.sh/release-namespace" | default "" -}}
{{- if not (index $labels "app.kubernetes.io/managed-by" | default "" | eq "Helm") -}}
{{- $others = append $others (printf "%s (not installed by Helm)" $name) -}}
{{- else if or (ne $release $.Release.Name) (ne $namespace $.Release.Namespace) -}}
{{- $others = append $others (printf "%s (of release %q in namespace %q)" $name $release $namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $others -}}
{{- $crds := join " " $names -}}
{{- fail (printf (join "" (list
  "\n\nThese CRDs are in the cluster and do not belong to this release: %s.\n"
  "Either leave them to their owner, who then upgrades them:\n\n"
  "    --set crds.enabled=false\n\n"
  "or make them this release's, and keep their tasks and results (then run Helm again):\n\n"
  "    kubectl label --overwrite crd %s app.kubernetes.io/managed-by=Helm\n"
  "    kubectl annotate --overwrite crd %s meta.helm.sh/release-name=%s meta.helm.sh/release-namespace=%s\n"
)) (join ", " $others) $crds $crds .Release.Name .Release.Namespace) -}}
{{- end -}}
{{- end -}}
