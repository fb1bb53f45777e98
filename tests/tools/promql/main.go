// Loads series in promqltest's notation and evaluates PromQL over them, as Prometheus itself does.
//
// Standard input: {"cases": [{"load": "load 1m\n  up 1 1", "queries": [{"expr": "up", "start": 0, "end": 60, "step": 60}]}]},
// times in seconds. Standard output: for each query the names of the metrics in its expression, and its series.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

type query struct {
	Expr  string  `json:"expr"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
	Step  float64 `json:"step"`
}

type testCase struct {
	Load    string  `json:"load"`
	Queries []query `json:"queries"`
}

type series struct {
	Labels map[string]string `json:"labels"`
	Points [][2]string       `json:"points"` // second and value as text: JSON has no NaN
}

type answer struct {
	Metrics []string `json:"metrics"`
	Series  []series `json:"series"`
}

// bench stands in for a test: promqltest reports its failures to one. What the embedded interface has beyond these
// methods is not used by it.
type bench struct {
	testing.TB
	cleanups []func()
}

func (b *bench) Helper()                           {}
func (b *bench) FailNow()                          { log.Fatal("promqltest gave up") }
func (b *bench) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (b *bench) Cleanup(f func())                  { b.cleanups = append(b.cleanups, f) }

func (b *bench) close() {
	for _, cleanup := range slices.Backward(b.cleanups) {
		cleanup()
	}
}

func main() {
	log.SetFlags(0)
	var input struct {
		Cases []testCase `json:"cases"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		log.Fatal(err)
	}
	// As in production: without the experiments that promqltest's own engine turns on.
	grammar := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: grammar,
	})
	answers := make([][]answer, len(input.Cases))
	for i, one := range input.Cases {
		found, err := evaluate(engine, grammar, one)
		if err != nil {
			log.Fatal(err)
		}
		answers[i] = found
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"cases": answers}); err != nil {
		log.Fatal(err)
	}
}

func evaluate(engine *promql.Engine, grammar parser.Parser, one testCase) ([]answer, error) {
	b := &bench{}
	defer b.close()
	data := promqltest.LoadedStorage(b, one.Load)
	answers := make([]answer, len(one.Queries))
	for i, q := range one.Queries {
		expr, err := grammar.ParseExpr(q.Expr)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.Expr, err)
		}
		found, err := run(engine, data, q)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.Expr, err)
		}
		answers[i] = answer{metrics(expr), found}
	}
	return answers, nil
}

func run(engine *promql.Engine, data storage.Queryable, q query) ([]series, error) {
	ctx := context.Background()
	prepared, err := engine.NewRangeQuery(ctx, data, nil, q.Expr, seconds(q.Start), seconds(q.End), duration(q.Step))
	if err != nil {
		return nil, err
	}
	defer prepared.Close()
	matrix, err := prepared.Exec(ctx).Matrix()
	if err != nil {
		return nil, err
	}
	found := []series{}
	for _, one := range matrix {
		points := [][2]string{}
		for _, point := range one.Floats {
			points = append(points, [2]string{text(float64(point.T) / 1000), text(point.F)})
		}
		found = append(found, series{one.Metric.Map(), points})
	}
	return found, nil
}

func metrics(expr parser.Expr) []string {
	names := []string{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			for _, matcher := range selector.LabelMatchers {
				if matcher.Name == labels.MetricName {
					names = append(names, matcher.Value)
				}
			}
		}
		return nil
	})
	slices.Sort(names)
	return slices.Compact(names)
}

func text(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }

func seconds(value float64) time.Time { return time.UnixMilli(int64(value * 1000)) }

func duration(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }
