package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/prefork"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	outFlags
	listen            string
	tls               bool
	cert, key, caOut  string
	drain             time.Duration
	procs             numeral
	untilEOF, worker  bool
	asJSON, keepQuiet bool
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "the server to test against: echo, orders, misbehaviour, and a ledger of its own",
		Long: "serve is a WebSocket server. /echo echoes and obeys orders sent as text messages\n" +
			"(close CODE [REASON], abort rst, abort fin); other paths misbehave in known ways,\n" +
			"and / lists them. /statz tells how many connections it saw and how each ended.\n" +
			"SIGINT and SIGTERM end it in order: a Close 1001 to every connection, then the rest is cut.\n\n" +
			"With --out it measures its clients, whatever they are: how fast each answered a Close, ended TCP or gave up\n" +
			"waiting, and the class of each connection, by who began its end: by_client, by_server, abort (the server cut\n" +
			"TCP), mute (the server never answered), bad_close (the server's Close was broken). \"Peer\" is the client there.\n\n" +
			"A process holds no more connections than it may have descriptors (ulimit -n). With --procs several processes\n" +
			"share the port (Linux), and the pages, the ledger and the result are of all of them. The kernel spreads the\n" +
			"connections over them by chance, so leave 5 % room: with 20,000 descriptors, one process for each 19,000\n" +
			"connections. What /leak-on-abort and /leak-memory keep at most, each process keeps at most.\n" +
			"Where one dies the others go on; what it had counted is lost, the ledger says so, and the exit code is 1.",
		Example: "  wsload serve\n" +
			"  wsload serve --out clients.jsonl\n" +
			"  wsload serve --procs 6\n" +
			"  wsload serve --tls --tls-ca-out ca.pem\n" +
			"  wsload run --target wss://127.0.0.1:9000/echo --set target.tls.ca=ca.pem",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9000", "`HOST:PORT` to listen on; port 0 takes a free one")
	flags.BoolVar(&f.tls, "tls", false, "serve wss with a certificate made on the spot for localhost")
	flags.StringVar(&f.cert, "tls-cert", "", "serve wss with the certificate in this PEM `FILE`")
	flags.StringVar(&f.key, "tls-key", "", "its key, a PEM `FILE`")
	flags.StringVar(&f.caOut, "tls-ca-out", "", "write the certificate a client must trust to this `FILE`")
	flags.DurationVar(&f.drain, "drain", 5*time.Second, "how long open connections may take to end")
	flags.StringVar(&f.out, "out", "", "judge every connection and write the result stream to `FILE`, for wsload report")
	flags.BoolVar(&f.force, "force", false, "write over a file that exists")
	f.procs = "1"
	flags.Var(&f.procs, "procs", "`N` processes that share the port (Linux)")
	flags.BoolVar(&f.worker, "worker", false, "be one of the processes of another serve")
	_ = flags.MarkHidden("worker") // fails for an unknown flag alone
	flags.BoolVar(&f.untilEOF, "until-eof", false, "end when standard input does")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON: where it listens, and the ledger at the end")
	flags.BoolVar(&f.keepQuiet, "quiet", false, "no ledger at the end, no log")
	return cmd
}

func (a *app) serve(cmd *cobra.Command, f *serveFlags) error {
	ctx, _, restore := a.onSignals(context.Background(), func(string) {})
	defer restore()
	if f.worker {
		return prefork.Work(ctx, a.stdin, a.stdout, a.stderr)
	}
	config, err := f.tlsConfig(cmd)
	if err != nil {
		return err
	}
	if f.drain <= 0 {
		return usage(cmd, fmt.Errorf("--drain must be above 0s, got %v", f.drain))
	}
	procs, err := settings.ParseProcs(f.procs.String())
	if err != nil {
		return usage(cmd, err)
	}
	if f.out == "-" {
		return usage(cmd, errors.New("--out -: standard output is for where the server listens, and for its ledger"), "name a file")
	}
	out, err := a.openOutput(cmd, f.outFlags, false, func(text string) { fmt.Fprintf(a.stderr, "wsload: %s\n", text) })
	if err != nil {
		return err
	}
	defer out.discard()
	if f.untilEOF {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		// This goroutine may outlive the function, and ends with the process: a
		// read of standard input cannot be called off.
		go func() {
			_, _ = io.Copy(io.Discard, a.stdin)
			end()
		}()
	}
	s, err := a.listen(ctx, cmd, f, procs, config)
	if err != nil {
		return err
	}
	where := address(s.at, config != nil)
	if err := a.announce(where, f.asJSON); err != nil {
		return s.abandon(fmt.Errorf("say where the server listens: %w", err))
	}
	measured := func(error) error { return nil }
	if f.out != "" {
		if measured, err = measure(s, out, where.URL); err != nil {
			return s.abandon(err)
		}
	}
	err = s.serve(ctx)
	err = errors.Join(err, measured(err))
	if !f.keepQuiet {
		if unsaid := a.farewell(s.ledger(), f.asJSON); unsaid != nil {
			err = errors.Join(err, fmt.Errorf("print the ledger: %w", unsaid))
		}
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// A served is a server that listens, in one process or in several.
type served struct {
	at     net.Addr
	serve  func(ctx context.Context) error // until ctx ends; it must be called
	ledger func() target.Ledger
	// flip takes out what was recorded since the last flip, as a
	// stats.Recorder's, and says how many connections are open.
	flip func(spare *stats.Summary) (sum *stats.Summary, open uint64)
}

// abandon ends a server before it serves, for a reason.
func (s *served) abandon(reason error) error {
	ctx, end := context.WithCancel(context.Background())
	end()
	return failed(errors.Join(reason, s.serve(ctx)))
}

// listen makes the server that the flags ask for, in so many processes.
func (a *app) listen(ctx context.Context, cmd *cobra.Command, f *serveFlags, procs int, config *tls.Config) (*served, error) {
	if procs > 1 {
		opt := prefork.Options{
			Procs: procs, TLS: config, Drain: f.drain, Measure: f.out != "",
			Say:  func(text string) { a.warn("%s", text) },
			Args: []string{"serve", "--worker"}, Env: a.environ,
		}
		if !f.keepQuiet {
			opt.Log = a.stderr
		}
		s, err := prefork.Start(ctx, f.listen, opt)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil, usage(cmd, fmt.Errorf("--procs %d: %w", procs, err), "leave --procs at 1")
		}
		if err != nil {
			return nil, listenError(cmd, err)
		}
		return &served{at: s.Addr(), serve: s.Serve, ledger: s.Ledger, flip: s.Flip}, nil
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return nil, listenError(cmd, err)
	}
	s := &target.Server{TLS: config, Drain: f.drain}
	if !f.keepQuiet {
		s.Log = slog.New(slog.NewTextHandler(a.stderr, nil))
	}
	one := &served{at: ln.Addr(), ledger: s.Ledger, serve: func(ctx context.Context) error { return s.Serve(ctx, ln) }}
	if f.out != "" {
		s.Record = stats.NewRecorder("1/1", target.Entries())
		one.flip = func(spare *stats.Summary) (*stats.Summary, uint64) { return s.Record.Flip(spare), s.Record.Open() }
	}
	return one, nil
}

// tlsConfig is nil for ws.
func (f *serveFlags) tlsConfig(cmd *cobra.Command) (*tls.Config, error) {
	own := f.cert != "" || f.key != ""
	switch {
	case own && (f.cert == "" || f.key == ""):
		return nil, usage(cmd, errors.New("--tls-cert and --tls-key need each other"))
	case own && f.caOut != "":
		return nil, usage(cmd, errors.New("--tls-ca-out is for a certificate made on the spot"), "give your own CA to the client instead")
	case !own && !f.tls && f.caOut != "":
		return nil, usage(cmd, errors.New("--tls-ca-out needs --tls"))
	case own:
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, usage(cmd, fmt.Errorf("read certificate: %w", err))
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
	case !f.tls:
		return nil, nil
	}
	cert, ca, err := target.SelfSigned()
	if err != nil {
		return nil, failed(err)
	}
	if f.caOut != "" {
		if err := os.WriteFile(f.caOut, ca, 0o644); err != nil {
			return nil, failed(fmt.Errorf("write CA: %w", err))
		}
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
}

// listenError gives the remedies for an address that cannot be had.
func listenError(cmd *cobra.Command, err error) error {
	if bad, ok := errors.AsType[*net.AddrError](err); ok {
		return usage(cmd, fmt.Errorf("--listen %s: %s", bad.Addr, bad.Err), "write HOST:PORT, as in 127.0.0.1:9000")
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return failed(err, "another process listens there: stop it, or take a free port with --listen 127.0.0.1:0")
	case errors.Is(err, fs.ErrPermission):
		return failed(err, "ports below 1024 need privilege: take a higher one")
	}
	return failed(err, "listen on an address of this host, as in --listen 127.0.0.1:9000")
}

// address is where the server is to be found.
func address(addr net.Addr, secure bool) ready {
	host, ws, http := reachable(addr.String()), "ws", "http"
	if secure {
		ws, http = "wss", "https"
	}
	return ready{Listen: addr.String(), URL: ws + "://" + host + "/echo", Statz: http + "://" + host + "/statz"}
}

// announce says where the server listens.
func (a *app) announce(r ready, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	_, err := fmt.Fprintf(a.stdout, "listening %s (ledger %s)\n", r.URL, r.Statz)
	return err
}

// reachable puts loopback in the place of "any address".
func reachable(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil || !ap.Addr().IsUnspecified():
		return addr
	case ap.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port()).String()
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), ap.Port()).String()
}

// farewell prints the ledger in one line.
func (a *app) farewell(book target.Ledger, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(book)
	}
	var opened uint64
	var ended target.Endings
	for _, c := range book.Modes {
		opened += c.Opened
		ended.ClientFIN += c.Ended.ClientFIN
		ended.ClientRST += c.Ended.ClientRST
		ended.ServerFIN += c.Ended.ServerFIN
		ended.ServerRST += c.Ended.ServerRST
		ended.Error += c.Ended.Error
	}
	lost := ""
	if book.Lost > 0 {
		lost = fmt.Sprintf("; what %d of the processes had counted is lost with them", book.Lost)
	}
	_, err := fmt.Fprintf(a.stdout, "served %d connections; ended by client_fin %d, client_rst %d, server_fin %d, server_rst %d, error %d%s\n",
		opened, ended.ClientFIN, ended.ClientRST, ended.ServerFIN, ended.ServerRST, ended.Error, lost)
	return err
}

// measure writes what a server that is about to serve at url finds to out,
// interval by interval. The function it returns ends that: call it when the
// server has ended, with the error of its serve. Its error is why the stream is
// not whole.
func measure(s *served, out *output, url string) (end func(cause error) error, err error) {
	hold, stampErr := wire.HoldStamps()
	noFile := proc.Self().SoftLimit
	env := result.NewEnv(readBuild().Version, uint64(noFile.N), stampErr == nil)
	head, err := result.NewServerHeader(fmt.Sprintf("%016x", rand.Uint64()), time.Now(), url, target.Entries(), env)
	if err != nil {
		return nil, err
	}
	out.begin(head)
	out.kept = true
	m := &meter{flip: s.flip, out: out, begun: time.Now()}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		m.run(head.Interval, stop)
	}()
	return func(cause error) error {
		close(stop)
		<-stopped
		if hold != nil {
			hold.Close()
		}
		last := result.End{Complete: m.started == m.ended, Cause: "done"}
		if cause != nil {
			last.Cause, last.Exit = cause.Error(), exitFailed
		}
		return out.end(last)
	}, nil
}

// A meter takes what a server has recorded to its stream.
type meter struct {
	flip           func(spare *stats.Summary) (sum *stats.Summary, open uint64)
	out            *output
	begun          time.Time
	from           time.Duration // end of the last interval
	spare          *stats.Summary
	started, ended uint64
}

// run closes an interval at each tick, and the last one at the end.
func (m *meter) run(interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.tick()
		case <-stop:
			m.tick()
			return
		}
	}
}

func (m *meter) tick() {
	sum, open := m.flip(m.spare)
	sum.From, sum.To = m.from, time.Since(m.begun)
	m.from = sum.To
	m.started += sum.Connections.Started
	m.ended += sum.Connections.Ended
	m.out.interval(result.Interval{Summary: sum, Open: open})
	sum.Reset()
	m.spare = sum
}
