// Package prefork runs the server of package target in several processes that
// share one port, since a process holds no more connections than it may have
// descriptors.
//
//	share   a listening socket for each process on the same address
//	        (SO_REUSEPORT): the kernel gives each new connection to one of
//	        them, by a hash of its addresses
//	server  starts the processes, each with its socket, tells of one that dies,
//	        and ends all in order
//	worker  is one of the processes: a [target.Server] on the socket that it
//	        inherits
//	order   what a worker is told on its standard input, and what it says on
//	        its standard output
//	desk    answers /statz and /ended for all of them
//
// A client that asks for a page reaches any one of the workers, which passes
// the question on to the desk of the [Server]; that asks all of them, and adds
// up what they say. These questions go over sockets of the host alone (abstract
// Unix addresses), so that they take no port and leave nothing in TIME_WAIT.
//
// The Server keeps the listening sockets open too. So whoever looks for the
// process behind the port finds it and its children, as with any server of this
// kind, and a signal for the server goes to it.
//
// A worker ends in order when it is told to, and at once when its standard
// input ends: then the Server is gone, and one that was killed leaves no
// connection open either.
package prefork
