//go:build tools

// Helm 4 is no `tool` of go.mod like the others, because its program has the name of Helm 3's.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
