// Package relay is the path between clients and a server, with faults: latency,
// little bandwidth, a stall, a cut.
//
// The flow of one connection:
//
//	Relay   accepts it, opens one to the server, and joins the two
//	link    the two sides, and what was cut of them
//	flow    one direction: reads, holds back, writes; passes on the end
//	queue   what a flow holds back, in order
//	path    the schedule: which steps are in force, for which connection
//
// Without a fault in force the relay is not to be seen in how a connection
// ends: a FIN is passed on as a FIN, so that half closes stay half closes, and
// an RST as an RST, behind the bytes that came before it. Some differences are
// left, because the relay's kernel acknowledges for the peer and takes bytes
// that the peer has no room for:
//
//   - A server that refuses connections is met as an RST behind the connect.
//   - Bytes that meet a socket which the server has closed count as
//     acknowledged, so the RST that answers them may come after the client
//     has judged the connection, or with the next bytes.
//   - A full window is seen 32 KiB and two socket buffers later.
//   - The TCP handshake is not delayed.
//   - A host that is gone without FIN or RST is gone for the relay alone: the
//     other side hears of it when bytes for it are answered by an RST.
//
// # Faults
//
// A flow asks the path for the weather before each read, and its read has the
// next change of it as deadline. Latency is a time of departure for each read;
// nothing overtakes. Little bandwidth is a read of at most
// 20 ms' worth, and none until that time is over. A stall is no read at all. A
// side whose bytes are not read fills the window of its sender: so the memory
// of a connection is bounded, at 32 KiB in each direction. With more under way
// than that, latency limits the throughput, as a small window does.
//
// A cut ends sides. An RST and a FIN go to the leg that the step names, at once;
// what was held back is lost. To a leg in silence nothing is written any more,
// neither bytes nor FIN; what it sends is taken and forgotten, so its kernel
// gets acknowledgements, which a cable that is pulled would not give. A leg
// that is not named by the cut falls silent: it has not heard of it.
//
// # Toxiproxy
//
// A [Toxiproxy] does the same by the HTTP API of one that runs elsewhere, as
// far as it can.
package relay
