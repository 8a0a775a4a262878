package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/report"
	"github.com/wsload/wsload/internal/result"
)

func (a *app) reportCommand() *cobra.Command {
	var format, view string
	formats, views := []string{"text", "json"}, []string{"wire", "dotnet"}
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "render a stored result again",
		Long: "report renders what run --out stored. Several files are shards of one run; - is standard input.\n" +
			"A stream that was cut short is rendered up to its last whole interval, with a warning.\n\n" +
			"--view wire says what passed on the wire. --view dotnet says what System.Net.WebSockets would have made of\n" +
			"it: the WebSocketError and WebSocketState of each class, per call, and InvalidState by cause. It is a text.",
		Example: "  wsload report run.jsonl\n" +
			"  wsload report --view dotnet run.jsonl\n" +
			"  wsload report --format json run.jsonl | jq .total.connections\n" +
			"  wsload run --out - | wsload report -",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, errors.New("report needs the file of a result"), "wsload run --out FILE writes one")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(formats, format) {
				return usage(cmd, fmt.Errorf("unknown format %q", format), "--format takes "+strings.Join(formats, " or "))
			}
			if !slices.Contains(views, view) {
				return usage(cmd, fmt.Errorf("unknown view %q", view), "--view takes "+strings.Join(views, " or "))
			}
			if view != "wire" && format != "text" {
				return usage(cmd, fmt.Errorf("--view %s has no format %s", view, format), "the view is a text: leave out --format "+format+" or --view "+view)
			}
			doc, err := a.readResult(args)
			if err != nil {
				return failed(err)
			}
			if !doc.Complete && format == "json" { // the text says so itself
				a.warn("the result is incomplete: %s", strings.Join(doc.Warnings, "; "))
			}
			if view == "dotnet" {
				err = report.DotNet(a.stdout, doc, a.colour)
			} else {
				err = a.render(doc, format == "json")
			}
			if err != nil {
				return failed(err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`text` or json")
	cmd.Flags().StringVar(&view, "view", "wire", "`wire` or dotnet: the words in which to tell it")
	must(cmd.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(views, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// readResult reads the shards of one run.
func (a *app) readResult(names []string) (*result.Document, error) {
	var files []io.Reader
	for _, name := range names {
		if name == "-" {
			files = append(files, a.stdin)
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read result: %w", err)
		}
		defer f.Close()
		files = append(files, f)
	}
	return result.Read(files...)
}

// render writes a document to standard output.
func (a *app) render(doc *result.Document, asJSON bool) error {
	if asJSON {
		return report.JSON(a.stdout, doc)
	}
	return report.Text(a.stdout, doc, a.colour)
}
