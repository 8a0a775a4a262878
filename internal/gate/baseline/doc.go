// Package baseline judges a run against runs of other jobs, stored before it.
//
// Jobs differ by more than their servers do: another machine of the same kind,
// another neighbour. What happens inside one job says nothing about that, so the
// job is what is counted. Of each metric a job has one number, the centre of
// its rounds; the candidate's number is held against a prediction interval of
// Student's t from those of the stored jobs. The words of a verdict are those of
// package trial: Fail is a change shown to be above the tolerance, Pass one shown
// to be below what must be detected.
//
// Only jobs of the same load on the same kind of host count. With fewer than
// MinJobs of them nothing fails, however bad it looks.
package baseline
