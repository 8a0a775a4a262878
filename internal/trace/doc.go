// Package trace is the stored form of single connections: JSON Lines, a header
// and then a line per connection, in the order in which they settled.
//
//	{"wsload_trace":1,"run":"…","wall_ns":…}     Header
//	{"run":"…","n":7,"class":"clean","events":[…]}  Line
//
// A Writer takes lines from the goroutines that own the connections and never
// makes them wait: encoding and writing are a goroutine's of its own, and a
// line that finds the queue full is counted and dropped. So the queue's bound is
// also that of the memory a slow disk can cost.
//
// All times are offsets from the beginning of the run in nanoseconds;
// Header.Wall makes them times of day, for a comparison with a packet capture.
package trace
