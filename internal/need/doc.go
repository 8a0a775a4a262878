// Package need reckons what a plan asks of the host that carries it out:
// descriptors, ports, room in the kernel's tables, memory, time of its CPUs.
//
// [Of] is arithmetic on the plan and on what the host told of itself; it opens
// nothing. Both the preflight of a run, which refuses, and the doctor, which
// advises, go by it, so that they cannot tell different figures. Where a figure
// cannot be known before the run it is the most that the plan can come to.
package need
