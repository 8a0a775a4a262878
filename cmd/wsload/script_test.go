//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wsload":  main,
		"trouble": trouble,
	})
}

// TestScripts runs the scripts of testdata: the command as a process, with
// signals, files and exit codes.
//
//	exits CODE COMMAND...     run a command and hold its exit code against CODE
//	start NAME COMMAND...     run it in the background, output in NAME.out and NAME.err
//	signal NAME SIGNAL        send INT, TERM or KILL to it
//	ends NAME CODE            wait for its end
//	await FILE REGEXP         wait until a file has a match
//	url VARIABLE NAME         take the url of the JSON line that it printed
//	gone NAME                 wait until the own server of a run does not listen any more
//	kills N FILE COMMAND...   run it N times with --out FILE, kill it at random, and read the file
//	kill-child NAME           kill the own server of a run, or one process of a server (Linux)
//	field FILE PATH VALUE     hold a value of a JSON document against VALUE, or >NUMBER
//	adds-up FILE              hold the counts of a result document against each other
func TestScripts(t *testing.T) {
	configs, err := filepath.Abs(filepath.Join("..", "..", "configs"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CONFIGS", configs)
			env.Values[startedKey{}] = make(processes)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"start":      start,
			"signal":     signalTo,
			"ends":       ends,
			"await":      await,
			"url":        urlOf,
			"gone":       gone,
			"kill-child": killChild,
			"kills":      kills,
			"field":      field,
			"adds-up":    addsUp,
		},
	})
}

// patience bounds every wait of a script.
const patience = 20 * time.Second

// processes are those that a script has started, by name.
type processes map[string]*exec.Cmd

// startedKey is where a script keeps its processes.
type startedKey struct{}

// until polls a condition.
func until(ts *testscript.TestScript, what string, met func() bool) {
	for deadline := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func start(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"HOME", "PATH", "TMPDIR"} {
		cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
	}
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	ts.Value(startedKey{}).(processes)[name] = cmd
	ts.Defer(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
}

func started(ts *testscript.TestScript, name string) *exec.Cmd {
	cmd := ts.Value(startedKey{}).(processes)[name]
	if cmd == nil {
		ts.Fatalf("no process %s was started", name)
	}
	return cmd
}

func signalTo(ts *testscript.TestScript, _ bool, args []string) {
	sig, ok := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[1])
	}
	ts.Check(started(ts, args[0]).Process.Signal(sig))
}

func ends(ts *testscript.TestScript, _ bool, args []string) {
	cmd := started(ts, args[0])
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		ts.Fatalf("%s did not end within %v; it said:\n%s", args[0], patience, ts.ReadFile(args[0]+".err"))
	}
	got := strconv.Itoa(cmd.ProcessState.ExitCode())
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.Sys().(syscall.WaitStatus).Signaled() {
		got = "killed"
	}
	if got != args[1] {
		ts.Fatalf("%s: exit code %s, want %s; it said:\n%s", args[0], got, args[1], ts.ReadFile(args[0]+".err"))
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	until(ts, args[0]+" matches "+args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && pattern.Match(text)
	})
}

func urlOf(ts *testscript.TestScript, _ bool, args []string) {
	var ready struct{ URL, Listen string }
	until(ts, args[1]+" listens", func() bool {
		line, _, whole := bytes.Cut([]byte(ts.ReadFile(args[1]+".out")), []byte("\n"))
		return whole && json.Unmarshal(line, &ready) == nil && ready.URL != ""
	})
	ts.Setenv(args[0], ready.URL)
	ts.Setenv(args[0]+"_ADDR", ready.Listen)
}

func gone(ts *testscript.TestScript, _ bool, args []string) {
	found := regexp.MustCompile(`own server ws://([\d.:]+)/`).FindStringSubmatch(ts.ReadFile(args[0] + ".err"))
	if found == nil {
		ts.Fatalf("%s does not name its own server", args[0])
	}
	until(ts, "the own server is gone", func() bool {
		conn, err := net.Dial("tcp", found[1])
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

func field(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var at any
	ts.Check(d.Decode(&at))
	for name := range strings.SplitSeq(args[1], "/") {
		switch node := at.(type) {
		case map[string]any:
			value, ok := node[name]
			if !ok {
				ts.Fatalf("%s: there is no %s", args[1], name)
			}
			at = value
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(node) {
				ts.Fatalf("%s: %d entries, no %s", args[1], len(node), name)
			}
			at = node[i]
		default:
			ts.Fatalf("%s: nothing below %v", args[1], at)
		}
	}
	got := fmt.Sprint(at)
	holds := got == args[2]
	if least, ok := strings.CutPrefix(args[2], ">"); ok {
		n, err1 := strconv.ParseFloat(got, 64)
		bound, err2 := strconv.ParseFloat(least, 64)
		holds = err1 == nil && err2 == nil && n > bound
	}
	if holds == neg {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// trouble is a server that never opens a WebSocket, in one of several ways.
func trouble() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(ready{Listen: ln.Addr().String(), URL: "ws://" + ln.Addr().String() + "/"}))
	if status, err := strconv.Atoi(os.Args[1]); err == nil {
		must(http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintf(w, "cannot serve %s to %s", r.URL, r.Header.Get("Authorization"))
		})))
	}
	for {
		conn, err := ln.Accept()
		must(err)
		if os.Args[1] == "garbage" {
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = conn.Write([]byte("\x00\x01 220 not the protocol you are looking for\r\n\r\n"))
			}()
		} // "mute" holds the connection and says nothing
	}
}

// killChild kills a child of a process, as a crash would.
func killChild(ts *testscript.TestScript, _ bool, args []string) {
	parent := strconv.Itoa(started(ts, args[0]).Process.Pid)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	ts.Check(err)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		_, rest, named := strings.Cut(string(text), ") ") // behind the name: state, parent
		if fields := strings.Fields(rest); err != nil || !named || fields[1] != parent {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		ts.Check(err)
		ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		return
	}
	ts.Fatalf("%s has no children", args[0])
}
