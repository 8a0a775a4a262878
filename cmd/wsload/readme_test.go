//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheCommandsOfTheREADMERun runs each console block of the README as one
// shell script in a copy of what the commands need, so that what a newcomer is
// told to type works.
func TestTheCommandsOfTheREADMERun(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "wsload"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	scripts := consoleBlocks(string(text))
	if len(scripts) < 5 {
		t.Fatalf("%d console blocks in the README", len(scripts))
	}
	for _, script := range scripts {
		first, _, _ := strings.Cut(script, "\n")
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "bash", "-c", "set -emo pipefail\n"+script)
			cmd.Dir = t.TempDir()
			if strings.Contains(script, "./cmd/") {
				cmd.Dir = root
			} else if err := os.Symlink(filepath.Join(root, "configs"), filepath.Join(cmd.Dir, "configs")); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GOBIN="+t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, script, out)
			}
		})
	}
}

// consoleBlocks gives the commands of each console block of a Markdown text.
func consoleBlocks(text string) (scripts []string) {
	for i, block := range strings.Split(text, "```") {
		lines, ok := strings.CutPrefix(block, "console\n")
		if i%2 == 0 || !ok {
			continue
		}
		var script strings.Builder
		for line := range strings.Lines(lines) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				script.WriteString(command)
			}
		}
		scripts = append(scripts, script.String())
	}
	return scripts
}
