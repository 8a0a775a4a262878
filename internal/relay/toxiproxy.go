package relay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// apiLimit is how long one call of a Toxiproxy's API may take.
const apiLimit = 5 * time.Second

// A Toxiproxy is a proxy of a Toxiproxy server that runs elsewhere, with the
// steps as toxics. It is made by StartToxiproxy.
type Toxiproxy struct {
	api    string // without a slash at its end
	name   string
	addr   string
	client *http.Client

	replaced bool
	cancel   context.CancelFunc
	work     sync.WaitGroup
	failed   error  // the first call of the schedule that failed; to be read when work is done, as is
	began    []bool // by step, whether it came into force
}

// StartToxiproxy makes a proxy in front of the server and begins its schedule.
// The proxy has the name that a run from this host to this server gives it each
// time, so that what is left of one that was killed is replaced. api is the address of the API, such as http://127.0.0.1:8474. It fails where
// CheckToxiproxy does, and where the API does not answer. Stop must be called
// if it does not fail; the end of ctx ends the schedule alone.
func StartToxiproxy(ctx context.Context, api string, o Options) (*Toxiproxy, error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	// Past any proxy of the environment, as the connections under test.
	return startToxiproxy(ctx, api, o, &http.Transport{Protocols: protocols, DisableKeepAlives: true})
}

func startToxiproxy(ctx context.Context, api string, o Options, transport http.RoundTripper) (*Toxiproxy, error) {
	if err := CheckToxiproxy(o.Steps); err != nil {
		return nil, err
	}
	u, err := url.Parse(api)
	if err != nil || u.Host == "" {
		return nil, errors.New("toxiproxy: the address of its API is no URL (write http://127.0.0.1:8474)")
	}
	t := &Toxiproxy{
		api: strings.TrimSuffix(api, "/"), name: proxyName(&o), began: make([]bool, len(o.Steps)),
		client: &http.Client{Transport: transport, Timeout: apiLimit},
	}
	listen := ":0"
	if a, err := netip.ParseAddr(u.Hostname()); u.Hostname() == "localhost" || err == nil && a.IsLoopback() {
		listen = "127.0.0.1:0"
	}
	var made struct{ Listen string }
	proxy := proxyJSON{Name: t.name, Listen: listen, Upstream: o.Upstream, Enabled: true}
	err = t.call(ctx, http.MethodPost, "/proxies", proxy, &made)
	if refused, ok := errors.AsType[*statusError](err); ok && refused.code == http.StatusConflict {
		if t.call(ctx, http.MethodDelete, "/proxies/"+t.name, nil, nil) == nil {
			t.replaced = true
			err = t.call(ctx, http.MethodPost, "/proxies", proxy, &made)
		}
	}
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(made.Listen)
	if err != nil {
		t.Stop()
		return nil, fmt.Errorf("toxiproxy: it listens on %s, which is no address", problem.Quote(made.Listen))
	}
	if listen == ":0" {
		host = u.Hostname()
	}
	t.addr = net.JoinHostPort(host, port)

	begin := o.Begin
	if begin.IsZero() {
		begin = time.Now()
	}
	ctx, t.cancel = context.WithCancel(ctx)
	t.work.Go(func() { t.failed = t.run(ctx, begin, events(o.Steps)) })
	return t, nil
}

// proxyName tells whose proxy it is: of wsload on this host, for a server, for a
// shard where it is not the whole.
func proxyName(o *Options) string {
	host, _ := os.Hostname()
	name := "wsload-" + host + "-" + o.Upstream
	if o.Shard.Count > 1 {
		name += fmt.Sprintf("-%dof%d", o.Shard.Index, o.Shard.Count)
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.') {
			return r
		}
		return '-' // it stands in the path of a URL
	}, name)
}

// Name is that of the proxy. Replaced says that the API had one of that name:
// of a run that was killed, or of one beside this one, which has lost it.
func (t *Toxiproxy) Name() (name string, replaced bool) { return t.name, t.replaced }

// Addr is where clients connect to, host:port.
func (t *Toxiproxy) Addr() string { return t.addr }

// Stop ends the schedule and deletes the proxy, which ends its connections. The
// error is that of the first call of the schedule that failed, after which
// there were no more, or that of the deletion.
func (t *Toxiproxy) Stop() error {
	if t.cancel != nil {
		t.cancel()
	}
	t.work.Wait()
	return errors.Join(t.failed, t.call(context.Background(), http.MethodDelete, "/proxies/"+t.name, nil, nil))
}

// Began says of each step whether it came into force. It is known after Stop.
func (t *Toxiproxy) Began() []bool { return t.began }

// An event is a call of the API at its time.
type event struct {
	at    time.Duration
	step  int
	toxic toxicJSON
	ends  bool // the toxic is removed
}

// events are the calls that make the steps, in the order of time. What ends
// goes before what begins at the same moment.
func events(steps []scenario.Fault) (all []event) {
	for i := range steps {
		f := &steps[i]
		for _, toxic := range toxics(i, f) {
			all = append(all, event{at: f.At, step: i, toxic: toxic})
			if f.For > 0 || f.Kind() == scenario.FaultCut {
				all = append(all, event{at: f.At + f.For, step: i, toxic: toxic, ends: true})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(rank(a), rank(b)))
	})
	return all
}

// rank orders events of one moment. The end of a cut comes behind its begin.
func rank(e event) int {
	if e.ends && e.toxic.Type != "timeout" {
		return 0
	}
	return 1
}

// run makes the calls until the context ends or one of them fails.
func (t *Toxiproxy) run(ctx context.Context, begin time.Time, all []event) error {
	for _, e := range all {
		timer := time.NewTimer(time.Until(begin.Add(e.at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		path := "/proxies/" + t.name + "/toxics"
		var err error
		if e.ends {
			err = t.call(ctx, http.MethodDelete, path+"/"+e.toxic.Name, nil, nil)
		} else {
			err = t.call(ctx, http.MethodPost, path, e.toxic, nil)
		}
		if ctx.Err() != nil {
			return nil // Stop deletes the proxy, whatever became of the call
		}
		if err != nil {
			return fmt.Errorf("toxic %s: %w", e.toxic.Name, err)
		}
		t.began[e.step] = true
	}
	return nil
}

// A proxyJSON and a toxicJSON are what the API takes.
type proxyJSON struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`
}

type toxicJSON struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Toxicity   float64          `json:"toxicity"`
	Attributes map[string]int64 `json:"attributes"`
}

// toxics gives what makes a step, one for each direction.
func toxics(step int, f *scenario.Fault) (all []toxicJSON) {
	toxic := toxicJSON{Toxicity: float64(f.Share) / 100}
	switch f.Kind() {
	case scenario.FaultLatency:
		toxic.Type = "latency"
		toxic.Attributes = map[string]int64{"latency": f.Latency.Milliseconds(), "jitter": f.Jitter.Milliseconds()}
	case scenario.FaultBandwidth:
		toxic.Type, toxic.Attributes = "bandwidth", map[string]int64{"rate": int64(f.Bandwidth) / 1000}
	case scenario.FaultStall:
		// Without bandwidth it holds what it has taken, takes no more, and lets
		// it go when it is removed. Its timeout would drop it.
		toxic.Type, toxic.Attributes = "bandwidth", map[string]int64{"rate": 0}
	case scenario.FaultCut:
		// It ends what is open, at the latest when it is removed, which
		// follows at once. One direction is enough.
		toxic.Type, toxic.Attributes = "timeout", map[string]int64{"timeout": 1}
		toxic.Stream, toxic.Name = "downstream", fmt.Sprintf("step-%d", step)
		return []toxicJSON{toxic}
	}
	for _, stream := range []struct {
		leg  scenario.Leg
		name string
	}{{scenario.LegUp, "upstream"}, {scenario.LegDown, "downstream"}} {
		if f.Leg.Has(stream.leg) {
			toxic.Stream, toxic.Name = stream.name, fmt.Sprintf("step-%d-%s", step, stream.leg)
			all = append(all, toxic)
		}
	}
	return all
}

// CheckToxiproxy says which steps of a valid plan a Toxiproxy cannot do. The
// error is problem.List.
func CheckToxiproxy(steps []scenario.Fault) error {
	const own = "remove faults.toxiproxy: the own relay can"
	var problems problem.List
	for i := range steps {
		f := &steps[i]
		refuse := func(key, value, msg, hint string) {
			problems = append(problems, problem.Problem{
				Key: fmt.Sprintf("faults.steps[%d].%s", i, key), Value: value, Msg: "a toxiproxy " + msg, Hint: hint,
			})
		}
		switch {
		case f.Latency%time.Millisecond != 0 || f.Jitter%time.Millisecond != 0:
			refuse("latency", problem.DurationText(f.Latency), "counts latency and jitter in whole milliseconds", own)
		case f.Bandwidth%1000 != 0:
			refuse("bandwidth", f.Bandwidth.String(), "counts bandwidth in whole kb/s", own)
		case f.Cut == scenario.CutRST:
			refuse("cut", string(f.Cut), "sends an RST only on connections that opened under its reset_peer, which lets none open", own+"; or cut by fin")
		case f.Cut == scenario.CutSilent:
			refuse("cut", string(f.Cut), "drops bytes also of connections that open later, and passes a FIN on", own)
		case f.Cut != "" && f.Leg != scenario.LegBoth:
			refuse("leg", string(f.Leg), "ends both legs of a connection", "write both, or "+own)
		case f.Cut != "" && f.Share != 100:
			refuse("share", f.Share.String(), "ends all connections where its timeout is removed", "write 100%, or "+own)
		case f.Share != 100 && f.Leg == scenario.LegBoth:
			refuse("share", f.Share.String(), "draws for each direction by itself, so the two would meet different connections", "name one leg, or "+own)
		}
	}
	return problems.Err()
}

// A statusError is an answer of the API that is none of success.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d, %s", e.code, problem.Quote(e.text))
}

// call makes one call of the API. Where into is not nil, the answer is read
// into it.
func (t *Toxiproxy) call(ctx context.Context, method, path string, body, into any) error {
	const mostAnswer = 1 << 20
	fail := func(err error) error {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the URL, which may have a password
		}
		return fmt.Errorf("toxiproxy: %s %s: %w", method, path, err)
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fail(err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, t.api+path, bytes.NewReader(text))
	if err != nil {
		return fail(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fail(&statusError{resp.StatusCode, strings.TrimSpace(string(answer))})
	case err != nil:
		return fail(err)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fail(fmt.Errorf("its answer is no JSON: %w", err))
	}
	return nil
}
