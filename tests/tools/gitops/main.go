// Says of Kubernetes objects what the programs say that people deploy with: Argo CD whether an object is out of sync
// (its own diff, both ways), kstatus (of Kubernetes' cli-utils and of the fork in Helm 4 and Flux) what state it is in.
//
// usage: gitops [OPENAPI]
//
// On standard input, one JSON object a line; on standard output, one answer a line, in the same order.
//
//	{"ask": "merge-diff", "config": OBJECT, "live": OBJECT, "manager": NAME}
//	{"ask": "server-diff", "config": OBJECT, "live": OBJECT, "predicted": OBJECT, "manager": NAME}
//	{"ask": "status", "live": OBJECT}
//
// config is the object as it is in Git, live as the API server has it, predicted what a dry run of the apply gave.
// OPENAPI is a file with the API server's /openapi/v2; only diffs need it.
// Answers: {"modified": false}, {"modified": true, "predicted": OBJECT, "live": OBJECT},
// {"cliUtils": {"status": "...", "message": "..."}, "helm": {...}}, or {"error": "..."}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	helmstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	openapi "github.com/google/gnostic-models/openapiv2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/util/proto"
	clistatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type question struct {
	Ask       string          `json:"ask"`
	Config    map[string]any  `json:"config"`
	Live      map[string]any  `json:"live"`
	Predicted json.RawMessage `json:"predicted"`
	Manager   string          `json:"manager"`
}

type difference struct {
	Modified  bool            `json:"modified"`
	Predicted json.RawMessage `json:"predicted,omitempty"`
	Live      json.RawMessage `json:"live,omitempty"`
}

type state struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type states struct {
	CliUtils state `json:"cliUtils"`
	Helm     state `json:"helm"`
}

type failure struct {
	Error string `json:"error"`
}

// dryRun answers with what the API server said before.
type dryRun string

func (known dryRun) Run(context.Context, *unstructured.Unstructured, string) (string, error) {
	return string(known), nil
}

func main() {
	var parser *managedfields.GvkParser
	if len(os.Args) > 1 {
		var err error
		if parser, err = read(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	lines := bufio.NewReader(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := answers.Encode(answer(line, parser)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// read makes Argo CD's parser of the kinds that an API server has.
func read(path string) (*managedfields.GvkParser, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	document, err := openapi.ParseDocument(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	models, err := proto.NewOpenAPIData(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return managedfields.NewGVKParser(models, false)
}

func answer(line []byte, parser *managedfields.GvkParser) any {
	var asked question
	if err := utiljson.Unmarshal(line, &asked); err != nil { // which leaves whole numbers whole
		return failure{err.Error()}
	}
	live := &unstructured.Unstructured{Object: asked.Live}
	if asked.Ask == "status" {
		return judged(live)
	}
	options := []diff.Option{diff.WithGVKParser(parser), diff.WithManager(asked.Manager)}
	switch asked.Ask {
	case "merge-diff":
		options = append(options, diff.WithStructuredMergeDiff(true))
	case "server-diff":
		options = append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(dryRun(asked.Predicted)))
	default:
		return failure{"unknown question: " + asked.Ask}
	}
	found, err := diff.Diff(&unstructured.Unstructured{Object: asked.Config}, live, options...)
	if err != nil {
		return failure{err.Error()}
	}
	if !found.Modified {
		return difference{}
	}
	return difference{true, found.PredictedLive, found.NormalizedLive}
}

func judged(live *unstructured.Unstructured) any {
	ours, err := clistatus.Compute(live)
	if err != nil {
		return failure{err.Error()}
	}
	helms, err := helmstatus.Compute(live)
	if err != nil {
		return failure{err.Error()}
	}
	return states{
		state{string(ours.Status), ours.Message},
		state{string(helms.Status), helms.Message},
	}
}
