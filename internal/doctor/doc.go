// Package doctor says what a host allows, what a plan needs of it, and by which
// commands more is to be had.
//
//	Examine    facts   the host as it is now; one byte over loopback, for the stamps
//	Diagnose   report  each fact beside what the plan needs, with a verdict, what
//	                   would be seen in a run, and the remedies
//	Text, JSON         the report as it is read
//
// What a plan needs is reckoned by package need, by which a run's preflight goes
// as well. So the two tell the same figures, and what the doctor calls short of
// descriptors or ports is what a run refuses. Nothing is changed: the commands
// are for the user to type.
package doctor
