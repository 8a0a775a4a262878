package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/wsload/wsload/internal/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	f := planFlags{asks: true}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "say what this host allows, what a plan needs, and how to raise it",
		Long: "doctor holds the limits of this host against what a plan needs: descriptors, ports, the kernel's tables,\n" +
			"memory, CPUs, kernel stamps. Of each that is tight or short it says what would be seen in a run, and the\n" +
			"commands that raise it. It changes nothing, and opens nothing but one connection on loopback, for a stamp.\n\n" +
			"Exit codes:\n" +
			"  0  a run takes the plan here, if with warnings\n" +
			"  2  a run refuses it here, or the command line or configuration is wrong",
		Example: "  wsload doctor\n" +
			"  wsload doctor --connections 50000\n" +
			"  wsload doctor -c configs/soak.yaml --target wss://chat.example/ws --json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.resolve(cmd, &f)
			if err != nil {
				return err
			}
			plan := c.OnHost()
			report, err := doctor.Diagnose(doctor.Examine(), doctor.Ask{Plan: &plan, Shard: c.Shard, Procs: c.Procs, Own: c.Own, Refused: c.Refused})
			if err != nil {
				return err
			}
			write := report.Text
			if asJSON {
				write = report.JSON
			}
			if err := write(a.stdout); err != nil {
				return err
			}
			if !report.Fits {
				return &failure{code: exitUsage, err: errors.New("this host cannot carry out the plan")}
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
