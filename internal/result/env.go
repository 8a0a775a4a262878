package result

import (
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"

	"github.com/wsload/wsload/stats"
)

// Env is where and by what a run was made: what must be alike for two runs to
// be compared. It names no host and no user.
type Env struct {
	Version    string `json:"version"` // of wsload
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Kernel     string `json:"kernel,omitempty"` // release, where the system tells
	CPU        string `json:"cpu,omitempty"`    // model of the processors, where the system tells; "" in streams of before it was kept
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	NoFile     uint64 `json:"nofile,omitempty"` // limit of open descriptors, 0 where there is none to know
	GOGC       int    `json:"gogc"`             // percent, -1 for off
	Stamps     string `json:"stamps"`           // stats.ClockKernel or stats.ClockUser: the best clock arrivals had
}

// NewEnv describes this process. The version is wsload's, noFile the limit of
// open descriptors, and kernelStamps whether this host stamps what it receives.
func NewEnv(version string, noFile uint64, kernelStamps bool) Env {
	env := Env{
		Version:    version,
		Go:         runtime.Version(),
		OS:         runtime.GOOS,
		Arch:       runtime.GOARCH,
		CPUs:       runtime.NumCPU(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		NoFile:     noFile,
		GOGC:       gcPercent(),
		Stamps:     stats.ClockUser,
	}
	if kernelStamps {
		env.Stamps = stats.ClockKernel
	}
	// Only Linux has the files; elsewhere release and model stay unknown.
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		env.Kernel = strings.TrimSpace(string(release))
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		env.CPU = cpuModel(string(info))
	}
	return env
}

// cpuModel finds the model of the first processor in the text of
// /proc/cpuinfo, "" where there is none: not every architecture has it.
func cpuModel(info string) string {
	const longest = 100
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			model := strings.TrimSpace(value)
			return strings.ToValidUTF8(model[:min(len(model), longest)], "")
		}
	}
	return ""
}

// gcPercent asks the runtime, since the program may have set another value
// than the environment.
func gcPercent() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 || sample[0].Value.Uint64() > math.MaxInt32 {
		return -1
	}
	return int(sample[0].Value.Uint64())
}
