package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/judge"
	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/report/ci"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/internal/rig"
)

// reportFlags are the flags of report.
type reportFlags struct {
	format, view string
	rules        []string
}

func formats() []string { return []string{"text", "json", "md", "junit", "annotations", "gobench"} }
func views() []string   { return []string{"wire", "dotnet"} }

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "render a stored result or verdict again, and judge a result by rules",
		Long: "report renders what run --out or gate --out stored. Several files are shards of one run; - is standard\n" +
			"input. A stream that was cut short is rendered up to its last whole interval, with a warning; what a run that\n" +
			"was killed held back for a longer line is read from FILE.tail.\n\n" +
			"Formats: text for people; json; md, a comment on a pull request or the summary of a job; junit, XML with a\n" +
			"case for each rule or metric; annotations, commands of GitHub's runner; gobench, which benchstat reads.\n\n" +
			"Rules of the run's plan are judged anew and shown, with a warning where the run ended with another verdict.\n" +
			"With --rule more are judged, and then the exit code is the verdict: 3 fail, 4 inconclusive, 5 not measured.\n" +
			"Without it rendering a failure is no failure.\n\n" +
			"--view wire says what passed on the wire. --view dotnet says what System.Net.WebSockets would have made of\n" +
			"it: the WebSocketError and WebSocketState of each class, per call, and InvalidState by cause. It is a text.",
		Example: "  wsload report run.jsonl\n" +
			"  wsload report --rule 'close_handshake.p99 < 50ms' --rule 'premature.rate < 0.1%' run.jsonl\n" +
			"  wsload report --format md verdict.json >> $GITHUB_STEP_SUMMARY\n" +
			"  wsload report --view dotnet run.jsonl\n" +
			"  wsload report --format json run.jsonl | jq .total.connections\n" +
			"  wsload run --out - | wsload report -",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, errors.New("report needs the file of a result"), "wsload run --out FILE writes one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.report(cmd, &f, args) },
	}
	cmd.Flags().StringVar(&f.format, "format", "text", "`text`, json, md, junit, annotations or gobench")
	cmd.Flags().StringVar(&f.view, "view", "wire", "`wire` or dotnet: the words in which to tell it")
	cmd.Flags().StringArrayVar(&f.rules, "rule", nil, "judge by this `RULE` too, as in 'premature.rate < 0.1%'; may be repeated")
	must(cmd.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(views(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func (a *app) report(cmd *cobra.Command, f *reportFlags, names []string) error {
	if !slices.Contains(formats(), f.format) {
		return usage(cmd, fmt.Errorf("unknown format %q", f.format), "--format takes "+oneOf(formats()))
	}
	if !slices.Contains(views(), f.view) {
		return usage(cmd, fmt.Errorf("unknown view %q", f.view), "--view takes "+oneOf(views()))
	}
	if f.view != "wire" && f.format != "text" {
		return usage(cmd, fmt.Errorf("--view %s has no format %s", f.view, f.format), "the view is a text: leave out --format "+f.format+" or --view "+f.view)
	}
	doc, verdict, err := a.readStored(names)
	if err != nil {
		return failed(err)
	}
	if verdict != nil {
		if f.view != "wire" || len(f.rules) > 0 {
			return usage(cmd, errors.New("a gate's verdict has no other view and is not judged by rules"), "--view and --rule want the result of a run")
		}
		return a.renderTrial(verdict, f.format)
	}
	rules, err := judge.Read(f.rules, doc.Mix)
	if err != nil {
		return usage(cmd, err)
	}
	if err := judge.Document(doc, rules); err != nil {
		return failed(err)
	}
	if !doc.Complete && f.format != "text" { // the text says so itself
		a.warn("the result is incomplete: %s", strings.Join(doc.Warnings, "; "))
	}
	if f.view == "dotnet" {
		err = report.DotNet(a.stdout, doc, a.colour)
	} else {
		err = a.render(doc, f.format)
	}
	if err != nil {
		return failed(err)
	}
	if len(f.rules) == 0 {
		return nil
	}
	return notPassed(doc)
}

func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// A stored is a stream that has been looked into.
type stored struct {
	*bufio.Reader
	name string
}

// Name is the stream's name in errors.
func (s stored) Name() string { return s.name }

// isVerdict reports whether the stream is what gate --out wrote.
func (s stored) isVerdict() bool {
	begin, _ := s.Peek(100) // a shorter one is no verdict
	return strings.HasPrefix(strings.Join(strings.Fields(string(begin)), ""), `{"schema":"wsload.verdict/`)
}

// readStored reads the shards of one run, or the one file of a gate.
func (a *app) readStored(names []string) (*result.Document, *trial.File, error) {
	var files []io.Reader
	for _, name := range names {
		s := stored{bufio.NewReader(a.stdin), "standard input"}
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, nil, fmt.Errorf("read result: %w", err)
			}
			defer f.Close()
			s = stored{bufio.NewReader(f), name}
		}
		if len(names) == 1 && s.isVerdict() {
			text, err := io.ReadAll(s)
			if err != nil {
				return nil, nil, fmt.Errorf("read verdict file: %w", err)
			}
			f, err := trial.Decode(text)
			return nil, f, err
		}
		files = append(files, s)
		if name == "-" {
			continue
		}
		if tail, err := os.Open(result.TailName(name)); err == nil { // the run was killed
			defer tail.Close()
			files = append(files, tail)
		}
	}
	doc, err := result.Read(files...)
	if err == nil {
		rig.Recall(doc)
	}
	return doc, nil, err
}

// render writes a document to standard output.
func (a *app) render(doc *result.Document, format string) error {
	switch format {
	case "json":
		return report.JSON(a.stdout, doc)
	case "text":
		return report.Text(a.stdout, doc, a.colour)
	case "gobench":
		return ci.Bench(a.stdout, doc)
	}
	sheet, err := report.RunSheet(doc)
	if err != nil {
		return err
	}
	return a.renderSheet(sheet, format)
}

// renderTrial writes a trial to standard output, with its verdict computed
// anew.
func (a *app) renderTrial(f *trial.File, format string) error {
	v, err := f.Judge()
	if err == nil {
		switch format {
		case "json":
			err = writeJSON(a.stdout, v)
		case "text":
			err = report.Trial(a.stdout, f, v, a.colour)
		case "gobench":
			err = ci.TrialBench(a.stdout, f)
		default:
			err = a.renderSheet(report.TrialSheet(f, v), format)
		}
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

func (a *app) renderSheet(sheet *ci.Sheet, format string) error {
	switch format {
	case "md":
		return ci.Markdown(a.stdout, sheet)
	case "junit":
		return ci.JUnit(a.stdout, sheet)
	}
	return ci.Annotations(a.stdout, sheet)
}
