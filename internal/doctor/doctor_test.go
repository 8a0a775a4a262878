package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
	"github.com/wsload/wsload/scenario/value"
)

// fine are the facts of a host that is fit for much.
func fine() Facts {
	return Facts{
		OS: "linux",
		Host: proc.Host{
			Ports: proc.Ports{Low: 32768, High: 60999, OK: true}, Somaxconn: proc.Known(4096), TimeWaitReuse: proc.Known(2),
			Timestamps: proc.Known(1), TimeWait: proc.Known(31), MaxTimeWait: proc.Known(131072), Orphans: proc.Known(2),
		},
		Process: proc.Process{SoftLimit: proc.Known(1 << 20), HardLimit: proc.Known(1 << 20)},
		Bounds: proc.Bounds{
			DescriptorMax: proc.Known(1 << 20), Files: proc.Known(4000), FileMax: proc.Known(proc.Unlimited),
			SynBacklog: proc.Known(2048), SynCookies: proc.Known(1), MaxOrphans: proc.Known(131072), FinTimeout: proc.Known(60),
			TCPPages: proc.Known(10), TCPPressure: proc.Known(383866), TCPMaxPages: proc.Known(575796),
			ReadBuffer: proc.Known(131072), WriteBuffer: proc.Known(16384), Tracked: proc.Known(12), MaxTracked: proc.Known(262144),
			Memory: proc.Known(16 << 30), Swap: proc.Known(0), GroupSpare: proc.Known(proc.Unlimited),
			CPUs: 8, Quota: proc.Known(proc.Unlimited), Threads: proc.Known(192729), GroupTasks: proc.Known(proc.Unlimited),
			NetAdmin: proc.Known(0), Loopback6: proc.Known(1), Clock: "tsc", Governor: "performance", HugePages: "madvise",
		},
		Late: 12340 * time.Nanosecond,
	}
}

// remote is the default plan against a server elsewhere.
func remote() *scenario.Plan {
	p := scenario.Default()
	p.Target.URL = "ws://192.0.2.1/"
	return &p
}

func diagnose(t *testing.T, f Facts, ask Ask) Report {
	t.Helper()
	r, err := Diagnose(f, ask)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// of is the finding with a key.
func (r Report) of(t *testing.T, key string) Finding {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Key == key })
	if i < 0 {
		t.Fatalf("there is no finding %s", key)
	}
	return r.Findings[i]
}

func TestAFineHostHasEnoughOfAll(t *testing.T) {
	r := diagnose(t, fine(), Ask{Plan: remote()})
	for _, f := range r.Findings {
		if f.Verdict != OK || f.Effect != "" || len(f.Remedies) > 0 || f.Value == "" {
			t.Errorf("%+v", f)
		}
	}
	if !r.Fits {
		t.Error("the plan is refused")
	}
}

func local(p *scenario.Plan)  { p.Target.URL = "ws://127.0.0.1:9000/" }
func anHour(p *scenario.Plan) { p.Load.Duration = time.Hour }
func atOnce(p *scenario.Plan) { p.Load.Rate = 0 }
func halves(p *scenario.Plan) {
	p.Closes.Mix = []scenario.Close{scenario.DefaultClose(scenario.HalfClose)}
}
func relayed(p *scenario.Plan) {
	p.Faults.Steps = []scenario.Fault{{Cut: scenario.CutRST, Leg: scenario.LegBoth, Share: 100}}
}

func oneSource(p *scenario.Plan) { p.Target.LocalAddrs = []string{"127.0.0.1"} }

func many(n int) func(*scenario.Plan) { return func(p *scenario.Plan) { p.Load.Connections = n } }

func each(mode scenario.Mode) func(*scenario.Plan) {
	return func(p *scenario.Plan) { p.Closes.Mix = []scenario.Close{scenario.DefaultClose(mode)} }
}

func TestWhatAHostLacksIsFoundWithItsEffectAndItsRemedies(t *testing.T) {
	for _, r := range []struct {
		key      string
		verdict  Verdict
		change   func(*Facts)
		plan     []func(*scenario.Plan)
		own      bool
		effect   string
		remedies []string
	}{
		{
			"descriptors", Short, func(f *Facts) { f.Process.SoftLimit = proc.Known(564) }, nil, false,
			"after 500 connections an open fails with EMFILE", []string{"--procs 2 ", "prlimit --pid $$ --nofile=2048:2048", "LimitNOFILE=2048", "--ulimit nofile=2048:2048", "--connections 500 "},
		},
		{
			"descriptors", Short, func(f *Facts) { f.Process.SoftLimit, f.Bounds.DescriptorMax = proc.Known(10), proc.Known(1024) }, nil, false,
			"after 0 connections", []string{"sysctl -w fs.nr_open=2048"},
		},
		{"descriptors", Short, func(f *Facts) { f.Process.SoftLimit = proc.Known(3000) }, []func(*scenario.Plan){relayed}, false, "after 978 connections", []string{"--procs 2 "}},
		{"descriptors", OK, func(f *Facts) { f.Process.SoftLimit = proc.Known(1064) }, nil, false, "", nil},
		{"descriptors", Unknown, func(f *Facts) { f.Process.SoftLimit = proc.Fact{} }, nil, false, "", nil},
		{
			"files", Short, func(f *Facts) { f.Bounds.FileMax = proc.Known(4500) }, nil, false,
			"ENFILE", []string{"sysctl -w fs.file-max=8192"},
		},
		{"threads", Short, func(f *Facts) { f.Bounds.GroupTasks = proc.Known(50) }, nil, false, "new OS thread", []string{"--pids-limit 1024", "TasksMax=1024"}},
		{"threads", Short, func(f *Facts) { f.Bounds.Threads = proc.Known(50) }, nil, false, "new OS thread", []string{"kernel.threads-max"}},
		{
			"ports", Short, nil, []func(*scenario.Plan){many(30000)}, false, "EADDRNOTAVAIL after 28,232 connections to one address",
			[]string{`sysctl -w net.ipv4.ip_local_port_range="1024 65535"`, "target.local_addrs", "ip addr add"},
		},
		{"ports", Tight, nil, []func(*scenario.Plan){many(28000)}, false, "EADDRNOTAVAIL after 28,232", nil},
		{
			"ports", Tight, nil, []func(*scenario.Plan){anHour, halves}, false, "keeps its port for 1m0s, and 31,000 are wanted",
			[]string{"net.ipv4.tcp_tw_reuse=1", "2 addresses of this host"},
		},
		{"ports", Tight, func(f *Facts) { f.Host.Timestamps = proc.Known(0) }, []func(*scenario.Plan){anHour, halves}, false, "keeps its port", []string{"net.ipv4.tcp_timestamps=1"}},
		{"ports", OK, func(f *Facts) { f.Host.TimeWaitReuse = proc.Known(1) }, []func(*scenario.Plan){anHour, halves}, false, "", nil},
		{"ports", OK, nil, []func(*scenario.Plan){anHour, halves, local}, false, "", nil},
		{"ports", Short, nil, []func(*scenario.Plan){many(30000), relayed}, false, "EADDRNOTAVAIL", []string{"--shard 1/2"}},
		{"backlog", Tight, nil, []func(*scenario.Plan){many(5000), atOnce}, false, "sent again after 1 s", []string{"--rate 500/s", "net.core.somaxconn=8192", "on the server's host"}},
		{"backlog", OK, nil, []func(*scenario.Plan){many(4096), atOnce}, false, "", nil},
		{
			"syn_backlog", Tight, func(f *Facts) { f.Bounds.SynCookies = proc.Known(0) }, []func(*scenario.Plan){many(2000), atOnce, local}, false,
			"SYNs are dropped", []string{"tcp_syncookies=1", "tcp_max_syn_backlog=4096"},
		},
		{"syn_backlog", OK, func(f *Facts) { f.Bounds.SynCookies = proc.Known(0) }, []func(*scenario.Plan){many(2000), atOnce}, false, "", nil},
		{"syn_backlog", OK, func(f *Facts) { f.Bounds.SynCookies = proc.Known(0) }, []func(*scenario.Plan){many(2000), local}, false, "", nil},
		{"syn_backlog", OK, nil, []func(*scenario.Plan){many(2000), atOnce, local}, false, "", nil},
		{"conntrack", Short, nil, []func(*scenario.Plan){many(300000)}, false, "table full", []string{"nf_conntrack_max=524288", "NOTRACK"}},
		{"conntrack", Tight, func(f *Facts) { f.Bounds.Tracked = proc.Known(0) }, []func(*scenario.Plan){many(300000)}, false, "table full", nil},
		{"conntrack", OK, func(f *Facts) { f.Bounds.MaxTracked = proc.Fact{} }, []func(*scenario.Plan){many(300000)}, false, "", nil},
		{
			"time_wait", Tight, func(f *Facts) { f.Host.MaxTimeWait = proc.Known(8192) }, []func(*scenario.Plan){anHour, local}, false,
			"answered by an RST", []string{"tcp_max_tw_buckets=32768"},
		},
		{"time_wait", OK, func(f *Facts) { f.Host.MaxTimeWait = proc.Known(8192) }, []func(*scenario.Plan){anHour}, false, "", nil},
		{"orphans", Unknown, func(f *Facts) { f.Bounds.MaxOrphans = proc.Fact{} }, nil, false, "on the host: sysctl net.ipv4.tcp_max_orphans", nil},
		{"ports", Tight, func(f *Facts) { f.Host.TimeWaitReuse = proc.Known(0) }, []func(*scenario.Plan){anHour, halves, local, oneSource}, false, "keeps its port", []string{"127.0.0.2"}},
		{
			"orphans", Tight, func(f *Facts) { f.Bounds.MaxOrphans = proc.Known(4096) },
			[]func(*scenario.Plan){many(5000), func(p *scenario.Plan) { p.Closes.Shape, _ = value.ParseShape("at_end") }}, false,
			"RSTs where a FIN was meant", []string{"closes.shape=rate", "tcp_max_orphans=8192"},
		},
		{"tcp_memory", Short, func(f *Facts) { f.Bounds.TCPMaxPages = proc.Known(500) }, nil, false, "out of memory", []string{`tcp_mem="1024 1536 2048"`}},
		{"tcp_memory", Tight, func(f *Facts) { f.Bounds.TCPPressure = proc.Known(900) }, nil, false, "windows shrink", nil},
		{"memory", Short, func(f *Facts) { f.Bounds.Memory = proc.Known(40 << 20) }, nil, false, "swaps", []string{"GOGC=100", "--shard"}},
		{"memory", Short, func(f *Facts) { f.Bounds.GroupSpare = proc.Known(40 << 20) }, nil, false, "exit code 137", []string{"--memory 1024m", "MemoryMax=1024M"}},
		{"memory", Tight, func(f *Facts) { f.Bounds.Memory = proc.Known(120 << 20) }, []func(*scenario.Plan){local}, true, "swaps", nil},
		{"memory", OK, func(f *Facts) { f.Bounds.Memory = proc.Known(120 << 20) }, []func(*scenario.Plan){local}, false, "", nil},
		{
			"cpu", Tight, func(f *Facts) { f.Bounds.CPUs = 1 }, []func(*scenario.Plan){func(p *scenario.Plan) { p.Load.Rate = 6000 }}, false,
			"open_lag", []string{"--rate 5000/s"},
		},
		{
			"cpu", Short, func(f *Facts) { f.Bounds.Quota = proc.Known(1000) }, []func(*scenario.Plan){local, func(p *scenario.Plan) { p.Load.Rate = 6000 }}, true,
			"open_lag", []string{"--rate 2500/s", "--cpus 8", "--target"},
		},
		{"stamps", Tight, func(f *Facts) { f.Stamps = errors.New("no read had one") }, nil, false, "the clock user", []string{"no read had one"}},
		{"net_admin", Short, nil, []func(*scenario.Plan){each(scenario.Vanish)}, false, "vanish is refused", []string{"setcap cap_net_admin+ep", "--cap-add NET_ADMIN"}},
		{"net_admin", OK, func(f *Facts) { f.Bounds.NetAdmin = proc.Known(1) }, []func(*scenario.Plan){each(scenario.Vanish)}, false, "", nil},
		{
			"ipv6_loopback", Short, func(f *Facts) { f.Bounds.Loopback6 = proc.Known(0) }, []func(*scenario.Plan){func(p *scenario.Plan) { p.Target.URL = "ws://[::1]:9000/" }}, false,
			"unreachable", []string{"disable_ipv6=0"},
		},
		{"clock", Tight, func(f *Facts) { f.Bounds.Clock = "hpet" }, nil, false, "system call", []string{"current_clocksource"}},
		{"governor", Tight, func(f *Facts) { f.Bounds.Governor = "powersave" }, nil, false, "slow at first", []string{"cpupower"}},
	} {
		facts, plan := fine(), remote()
		if r.change != nil {
			r.change(&facts)
		}
		for _, change := range r.plan {
			change(plan)
		}
		f := diagnose(t, facts, Ask{Plan: plan, Own: r.own}).of(t, r.key)
		if f.Verdict != r.verdict || !strings.Contains(f.Effect, r.effect) || r.effect == "" && f.Effect != "" {
			t.Errorf("%s is %s, %q; want %s, %q", r.key, f.Verdict, f.Effect, r.verdict, r.effect)
		}
		all, err := json.Marshal(f.Remedies)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range r.remedies {
			if quoted, _ := json.Marshal(want); !bytes.Contains(all, bytes.Trim(quoted, `"`)) {
				t.Errorf("%s: no remedy %s in %s", r.key, want, all)
			}
		}
	}
}

func TestOtherPlatformsHaveTheirOwnCommands(t *testing.T) {
	for os, want := range map[string][]string{
		"darwin":  {"launchctl limit maxfiles 65536", "kern.maxfilesperproc=65536", "net.inet.ip.portrange.first=1024"},
		"windows": {"netsh int ipv4 set dynamicport tcp start=1024 num=64512"},
	} {
		plan := remote()
		many(40000)(plan)
		r := diagnose(t, Facts{OS: os, Process: proc.Process{SoftLimit: proc.Known(10240)}, Bounds: proc.Bounds{CPUs: 4}, Stamps: errors.ErrUnsupported}, Ask{Plan: plan})
		var text bytes.Buffer
		if err := r.Text(&text); err != nil {
			t.Fatal(err)
		}
		for _, w := range append(want, "on Linux alone") {
			if !strings.Contains(text.String(), w) {
				t.Errorf("%s: no %q in\n%s", os, w, &text)
			}
		}
		if strings.Contains(text.String(), "net.ipv4") || strings.Contains(text.String(), "prlimit") {
			t.Errorf("%s is sent to commands of Linux:\n%s", os, &text)
		}
		for _, key := range []string{"files", "time_wait", "orphans", "tcp_memory"} {
			if f := r.of(t, key); f.Needs.OK {
				t.Errorf("%s: %s is asked for, which it does not have", os, key)
			}
		}
	}
}

func TestWhereThePortsAreUnknownTheCommandThatTellsThemIsNamed(t *testing.T) {
	f := diagnose(t, Facts{OS: "darwin"}, Ask{Plan: remote()}).of(t, "ports")
	if f.Verdict != Unknown || !strings.Contains(f.Effect, "28,232") || len(f.Remedies) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestASourceThatIsNoAddressIsAnError(t *testing.T) {
	plan := remote()
	plan.Target.LocalAddrs = []string{"eth0"}
	if _, err := Diagnose(fine(), Ask{Plan: plan}); err == nil || !strings.Contains(err.Error(), "target.local_addrs") {
		t.Errorf("%v", err)
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// short is a container with the limits that distributions give, and a plan that
// does not fit.
func short() (Facts, Ask) {
	f := fine()
	f.Process.SoftLimit, f.Process.HardLimit = proc.Known(1024), proc.Known(1024)
	f.Bounds.GroupSpare, f.Bounds.Quota, f.Bounds.CPUs = proc.Known(256<<20), proc.Known(1500), 4
	f.Bounds.MaxTracked, f.Bounds.Governor = proc.Known(65536), "powersave"
	plan := remote()
	many(30000)(plan)
	plan.Load.Rate, plan.Load.Duration = 2000, 10*time.Minute
	plan.Closes.Mix = append(plan.Closes.Mix, scenario.DefaultClose(scenario.HalfClose))
	return f, Ask{Plan: plan, Refused: problem.List{
		{Key: "load.connections", Value: "30000", Msg: "30000 connections need about 30064 descriptors and a process may open 1024", Hint: "use at most 960"},
		{Key: "target.tls", Msg: "target.tls.ca: open ca.pem: no such file or directory", Hint: "name files in PEM form that can be read"},
	}}
}

func TestTheTextOfAReport(t *testing.T) {
	small := remote()
	for name, report := range map[string]Report{
		"fine": diagnose(t, fine(), Ask{Plan: small}),
		"short": func() Report {
			f, ask := short()
			return diagnose(t, f, ask)
		}(),
	} {
		var got bytes.Buffer
		if err := report.Text(&got); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, &got, want)
		}
	}
}

func TestAReportIsReadBackFromItsJSON(t *testing.T) {
	f, ask := short()
	report := diagnose(t, f, ask)
	var text bytes.Buffer
	if err := report.JSON(&text); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(back)
	if want, _ := json.Marshal(report); !bytes.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if back.Fits || len(back.Refused) != 2 || strings.Contains(back.Refused[0], "use at most") {
		t.Errorf("refused: %q", back.Refused)
	}
}

func TestThisHostIsExamined(t *testing.T) {
	r := diagnose(t, Examine(), Ask{Plan: remote()})
	if f := r.of(t, "cpu"); !f.Has.OK {
		t.Errorf("%+v", f)
	}
}

func TestEachProcessOfARunNeedsThreadsFilesAndMemoryOfItsOwn(t *testing.T) {
	one := diagnose(t, fine(), Ask{Plan: remote(), Own: true})
	several := diagnose(t, fine(), Ask{Plan: remote(), Own: true, Procs: 8})
	for key, more := range map[string]int64{"threads": 16 * (8 + 8), "files": 16 * 64, "memory": 14 * 32 << 20} {
		if got := several.of(t, key).Needs.N - one.of(t, key).Needs.N; got < more*9/10 || got > more*11/10 {
			t.Errorf("%s: %d more with 8 processes, want about %d", key, got, more)
		}
	}
	if a, b := one.of(t, "descriptors").Needs.N, several.of(t, "descriptors").Needs.N; b >= a {
		t.Errorf("descriptors: %d in one process, %d in each of 8", a, b)
	}
}
