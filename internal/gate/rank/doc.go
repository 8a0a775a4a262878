// Package rank tests and estimates by ranks: the signed-rank test of Wilcoxon,
// exact also with ties, and the centre of Hodges and Lehmann with the interval
// that goes with that test.
//
// The test assumes one thing: under the hypothesis each value is as likely
// positive as negative, whatever its size. That holds by construction where a
// coin decided which of two equals is called the first. It needs no assumption
// about the noise, which may drift, come in bursts and have any tail.
//
// Both look at few values, at most [MaxValues]: one for each round of a
// measurement, never one for each connection.
//
// The results are the same on every machine: counts are integers, and the few
// operations on floating-point numbers are those that IEEE 754 rounds correctly
// (no logarithm, and no product that a compiler may fuse with a sum).
package rank
