// Package mark is the beginning of each message of the traffic: which run, which
// connection, which message of it.
//
//	wsload/0a1b2c3d/7/12/
//
// It is text without a blank, so that it survives a server that treats messages
// as text, and it is the same from every end: the client counts by it what came
// back, and a server can be made to give it away to the wrong connection.
package mark
