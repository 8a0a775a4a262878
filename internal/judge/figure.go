package judge

import (
	"fmt"
	"math"

	"github.com/wsload/wsload/internal/drain"
	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/result"
)

// figures are what a run found beside its connections, as rules name it.
func figures(doc *result.Document) map[string]metric.Figure {
	all := map[string]metric.Figure{}
	if doc.Drain != nil {
		for _, v := range drain.Values(doc.Drain) {
			f := metric.Figure{Value: v.X, Low: v.X, High: v.X, Basis: fmt.Sprintf("one drain, of %d connections", doc.Drain.Held)}
			switch {
			case v.Known:
			case v.Name == "drain.back" && doc.Drain.Herd != nil && doc.Drain.Took != nil: // later than any bound
				f = metric.Figure{Value: math.Inf(1), Low: math.Inf(1), High: math.Inf(1), Basis: "the population was not whole again at the end of the drain"}
			case doc.Drain.Took == nil:
				f = metric.Figure{None: "no hook was launched"}
			default:
				f = metric.Figure{None: "nothing of the kind happened in this drain, and so it has no time or share"}
			}
			all[v.Name] = f
		}
	}
	if doc.Watch != nil {
		for name, v := range doc.Watch.Figures {
			all[name] = figure(v)
		}
	}
	return all
}

// figure is a stored one. An end that is not bounded is infinite.
func figure(v result.Figure) metric.Figure {
	if v.Value == nil {
		return metric.Figure{None: v.Basis}
	}
	f := metric.Figure{Value: *v.Value, Low: math.Inf(-1), High: math.Inf(1), Basis: v.Basis}
	if v.Low != nil {
		f.Low = *v.Low
	}
	if v.High != nil {
		f.High = *v.High
	}
	return f
}
