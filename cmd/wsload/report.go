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
	var format string
	formats := []string{"text", "json"}
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "render a stored result again",
		Long: "report renders what run --out stored. Several files are shards of one run; - is standard input.\n" +
			"A stream that was cut short is rendered up to its last whole interval, with a warning.",
		Example: "  wsload report run.jsonl\n" +
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
			doc, err := a.readResult(args)
			if err != nil {
				return failed(err)
			}
			if !doc.Complete && format == "json" { // the text says so itself
				a.warn("the result is incomplete: %s", strings.Join(doc.Warnings, "; "))
			}
			if err := a.render(doc, format == "json"); err != nil {
				return failed(err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`text` or json")
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
