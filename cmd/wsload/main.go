// Command wsload opens WebSocket connections, holds them, and closes them on a
// schedule: by its own Close, by the server's, or without one. It says how each
// connection ended and how long each part of the teardown took.
//
//	wsload run                       against a server it starts itself
//	wsload run -c mixed.yaml         what a file describes
//	wsload drain -c deploy.yaml      what a deploy does to those who are connected
//	wsload plan -c mixed.yaml        what that would do; opens nothing
//	wsload doctor -c mixed.yaml      whether this host is fit for it, and what makes it so
//	wsload serve                     the server, for a run from elsewhere
//	wsload report FILE               a stored result again
//	wsload gate --a CMD --b CMD      two servers in turn: is b worse than a?
//	wsload qualify --a CMD           a server against itself: what is a verdict worth?
//	wsload baseline add DIR FILE     a result as a job, for gate --baseline DIR FILE
//	wsload verdict FILE              the verdict of a gate, computed again
//
// The flow of a run:
//
//	file, environment, flags
//	   │  flags.go    internal/settings: layered by precedence, every problem at once
//	   ▼
//	scenario.Plan
//	   │  procs.go    without a target: wsload serve as a child process;
//	   │              with --procs the run itself in several, by internal/parts
//	   ▼
//	runner.Run ──▶ sinks.go    interval by interval: result stream, live line
//	   │
//	   ▼  procs.go    the server's ledger against the run's own count
//	   │  run.go      its rules, where the plan has any
//	   ▼
//	result.Document ──▶ report.go   text, JSON, and the formats of CI
//	   │
//	   ▼  exit.go     exit code
//
// Standard output carries the one thing that was asked for: a report, a
// document, a stream, a plan. Everything else goes to standard error.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/wsload/wsload/internal/settings"
)

func main() {
	a := &app{
		args:    os.Args[1:],
		environ: os.Environ(),
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		exit:    os.Exit,
	}
	a.colour = term.IsTerminal(int(os.Stdout.Fd())) && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) && a.env("TERM") != "dumb" {
		a.width = func() int { return terminalWidth(fd) }
	}
	a.exit(a.main())
}

// terminalWidth is the width of a terminal in columns; 80 for one that does
// not tell.
func terminalWidth(fd int) int {
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// An app is the process around a command: all that is not in its flags.
type app struct {
	args           []string         // without the program's name
	environ        settings.Environ // as os.Environ gives it
	stdin          io.Reader
	stdout, stderr io.Writer
	colour         bool           // standard output shows colours
	width          func() int     // columns of the terminal on standard error; nil where it is none
	exit           func(code int) // ends the process at once
}

// main runs the command that the arguments name, and returns its exit code.
func (a *app) main() int {
	root := a.root()
	root.SetArgs(a.args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.explain(root.Execute())
}

// env returns a variable of the environment, "" when it is not set.
func (a *app) env(name string) string {
	value, _ := a.environ.Lookup(name)
	return value
}

// warn tells of something that does not stop the command.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.stderr, "wsload: warning: %s\n", harmless(fmt.Sprintf(format, args...)))
}

// root is the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "wsload",
		Short: "load and soak test WebSocket servers, down to the last FIN",
		Long: "wsload opens WebSocket connections, holds them, and closes them on a schedule.\n" +
			"It says how each ended and how long each part of the teardown took.",
		Example: "  wsload run\n" +
			"  wsload run --connections 200 --mix active=60,abort=40 --duration 5s",
		Args:          a.knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true, // explain writes them
		SilenceUsage:  true, // a wall of flags hides the mistake
	}
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.runCommand(), a.partCommand(), a.drainCommand(), a.serveCommand(), a.planCommand(), a.doctorCommand(), a.gateCommand(), a.verdictCommand(), a.qualifyCommand(), a.baselineCommand(), a.reportCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				return usage(cmd, fmt.Errorf("completion for which shell, got %q", args), "bash, zsh, fish or powershell")
			}
			cmd.Args = cobra.ArbitraryArgs
		}
	}
	return root
}

// knownCommand refuses the name of a command that does not exist.
func (a *app) knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usage(cmd, fmt.Errorf("unknown command %q", args[0]), meant(args[0], names, cmd.CommandPath()+" "))
}

// noArguments refuses words that are no flags; most often one is a file that
// needs -c in front of it.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("config") != nil {
		hint = fmt.Sprintf("to use a configuration file: %s -c %s", cmd.CommandPath(), args[0])
	}
	return usage(cmd, fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0]), hint)
}

// flagError names the flag that was likely meant by an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint = meant(unknown.GetSpecifiedName(), names, "--")
	}
	return usage(cmd, err, hint)
}

// meant is a hint at the known name nearest to a wrong one, "" when none is
// near. It asks cobra, which has the measure for its own commands.
func meant(wrong string, known []string, prefix string) string {
	judge := new(cobra.Command)
	for _, name := range known {
		judge.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	for judge.SuggestionsMinimumDistance = 1; judge.SuggestionsMinimumDistance <= max(2, len(wrong)/3); judge.SuggestionsMinimumDistance++ {
		if near := judge.SuggestionsFor(wrong); len(near) > 0 {
			return "did you mean " + prefix + near[0] + "?"
		}
	}
	return ""
}

// A build says which wsload this is. What the build did not record is "".
type build struct {
	Version  string `json:"version"`  // of the module; (devel) for a build of a working tree
	Revision string `json:"revision"` // of the source
	Modified bool   `json:"modified"` // the source had changes beside the revision
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// readBuild asks the binary itself.
func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := "wsload " + b.Version
	if b.Revision != "" {
		text += " revision " + b.Revision
		if b.Modified {
			text += " (modified)"
		}
	}
	return fmt.Sprintf("%s %s %s/%s", text, b.Go, b.OS, b.Arch)
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "print the version of this binary",
		Example: "  wsload version\n  wsload version --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return writeJSON(a.stdout, readBuild())
			}
			_, err := fmt.Fprintln(a.stdout, readBuild())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeJSON writes a value as an indented document.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}
