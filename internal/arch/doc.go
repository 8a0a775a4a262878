// Package arch holds the rules of the code's structure and the tests that
// enforce them. It has no code of its own.
//
// # Imports
//
// Imports point one way, so that a package can be read and tested without what
// stands above it. At the bottom are what to do (scenario, with the values that have a text of their own, scenario/value, and what is wrong with it, scenario/problem), the bytes on the
// wire (internal/wire, with the marks in messages and the frames that break the
// rules, internal/mark and internal/badframe), facts about the host (internal/proc), what a plan asks of one (internal/need, with those facts), what a server leaks (internal/watch, with those facts), the stored form of
// single connections (internal/trace), processes that end when they should
// (internal/launch, with those facts), processes of this binary that work for it (internal/fleet, on those), what an order to the server runs (internal/trigger, by the same shell), the faults of the path to
// it (internal/relay), the files of results (internal/store) and the network of the tests (internal/memnet); they know nothing of each other. Then come what
// happened (stats), how a connection is judged (internal/verdict) and the server
// (internal/target), then the package that does it (runner) and the stored form (internal/result), then the server in several processes (internal/prefork), what a deploy does to a run (internal/drain), what holds both ends' books against each other
// (internal/books), processes that carry out a run together (internal/parts), what judges runs (internal/gate, and internal/judge for
// stored ones), what loads two servers in turn for it (internal/contest, and
// internal/arbiter, which joins the two), what stands around a run (internal/rig: a watch, a drain
// and the faults of the path), what says whether a host is fit for one (internal/doctor), what makes its plan of file, environment
// and flags (internal/settings) and the renderers (internal/report), and at the top the command, which joins them.
//
// A dependency on another module has one owner per purpose. So it can be
// replaced in one place, and a program that imports scenario, runner and stats
// gets two dependencies and no command-line or configuration library.
//
// The test reads this table; a package that is missing in it fails. "Any test"
// may also import what its package may.
//
//	scenario/problem    <- nothing
//	scenario/value      <- scenario/problem
//	scenario            <- scenario/problem, scenario/value
//	internal/mark       <- nothing
//	internal/wire       <- internal/mark
//	internal/badframe   <- internal/wire
//	internal/watch      <- scenario/problem, internal/proc, github.com/prometheus/common
//	internal/memnet     <- nothing
//	internal/proc       <- nothing
//	internal/need       <- scenario, scenario/value, internal/proc
//	internal/trace      <- nothing
//	internal/launch     <- internal/proc
//	internal/trigger    <- internal/launch
//	internal/fleet      <- internal/launch
//	internal/relay      <- scenario, scenario/problem
//	internal/arch       <- nothing
//	internal/store      <- nothing
//	stats               <- scenario, github.com/HdrHistogram/hdrhistogram-go
//	internal/verdict    <- scenario, stats, internal/wire
//	internal/target     <- scenario, stats, internal/proc, internal/wire, internal/verdict, internal/badframe, internal/mark, github.com/coder/websocket
//	runner              <- scenario, scenario/problem, scenario/value, stats, internal/wire, internal/verdict, internal/badframe, internal/mark, internal/trigger, internal/need, internal/proc, internal/trace, github.com/coder/websocket
//	internal/result     <- scenario, stats, internal/proc
//	internal/prefork    <- stats, internal/target, internal/fleet, internal/result
//	internal/drain      <- scenario, stats, internal/trigger, internal/proc, internal/result
//	internal/doctor     <- scenario, scenario/problem, internal/need, internal/proc, internal/wire
//	internal/rig        <- scenario, scenario/problem, stats, runner, internal/result, internal/drain, internal/watch, internal/relay
//	internal/books      <- scenario, stats, internal/wire, internal/target, runner, internal/result
//	internal/parts      <- scenario, stats, internal/wire, internal/fleet, internal/trace, runner, internal/result, internal/rig, internal/books
//	internal/gate       <- nothing
//	internal/gate/rank  <- nothing
//	internal/gate/metric <- scenario/problem, stats
//	internal/gate/rule  <- stats, internal/gate, internal/gate/rank, internal/gate/metric, gonum.org/v1/gonum
//	internal/gate/trial <- stats, internal/gate, internal/gate/rank, internal/gate/metric, internal/result
//	internal/judge      <- stats, internal/result, internal/drain, internal/gate, internal/gate/metric, internal/gate/rule
//	internal/gate/baseline <- stats, internal/gate, internal/gate/rank, internal/gate/metric, internal/gate/trial, internal/result, gonum.org/v1/gonum
//	internal/contest    <- scenario, stats, internal/wire, internal/proc, internal/launch, runner, internal/result, internal/gate/metric, internal/gate/trial
//	internal/arbiter    <- scenario, stats, internal/wire, internal/proc, internal/result, internal/gate, internal/gate/rule, internal/gate/trial, internal/contest
//	internal/report     <- stats, internal/result, internal/watch, internal/gate, internal/gate/metric, internal/gate/trial, internal/gate/rule, internal/report/ci
//	internal/report/ci  <- stats, internal/result, internal/gate, internal/gate/metric, internal/gate/trial
//	internal/settings   <- scenario, scenario/problem, scenario/value, stats, runner, internal/target, internal/rig, internal/judge, internal/gate/metric, github.com/spf13/viper, go.yaml.in/yaml/v3
//	cmd/wsload          <- everything, github.com/spf13/cobra, github.com/spf13/pflag, go.yaml.in/yaml/v3, golang.org/x/term
//	scripts/bench/bareloop <- internal/proc
//	scripts/fidelity    <- internal/trace
//	any test            <- scenario/value, internal/memnet, internal/target, internal/relay, github.com/coder/websocket, github.com/rogpeppe/go-internal, go.uber.org/goleak, github.com/google/go-cmp
//
// # The other rules
//
//   - The API of scenario, runner and stats mentions no type of an internal
//     package: a caller could not name it.
//   - A package has one package comment, in doc.go (a command's in main.go): the
//     place to begin reading.
//   - Only commands end the process. Elsewhere os.Exit and log.Fatal would skip
//     the callers' deferred work and cannot be tested.
//   - No init functions: what a package does begins with a call one can see.
//   - A file has at most 400 lines, a function 80, a package 12 files beside
//     doc.go and tests, where the variants of a file per platform count once.
//     What is larger has more than one subject.
package arch
