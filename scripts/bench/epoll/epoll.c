// epoll is the reference for what one WebSocket lifecycle costs a client that
// is nothing but system calls: C, epoll, one thread, no library beside libc.
// It measures nothing on the wire.
//
// A lifecycle is that of bareloop: dial, upgrade (the 101 is checked), hold,
// Close 1000, the peer's Close, its FIN, close. Each wait but the hold has a
// limit, and so has the run.
//
//	cc -O2 -o epoll epoll.c
//	epoll HOST PORT LIFECYCLES AT_ONCE [MEAN_HOLD_MS [STARTS_PER_S]]
//
// The hold is spread evenly from half its mean to one and a half. The result is
// one JSON object on the standard output, as bareloop's.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	max_at_once = 100000,
	max_events = 512,
	max_run_s = 300,
	limit_ms = 5000, // of each wait but the hold
	buffer_size = 512, // longer than any header or frame that is accepted
};

enum state { unused, dialling, upgrading, holding, closing, closed };

struct connection {
	int fd;
	enum state state;
	int have;          // bytes of input that are not used up
	int64_t deadline;  // ns: of the wait
	char *input;       // kept for the next connection in this place
};

// An entry of the heap of holds, earliest first.
struct due {
	int64_t at;
	int index;
};

static struct connection *connections;
static struct due *heap;
static int heap_length;
static int epoll_fd;
static struct sockaddr_in address;
static char request[512];
static int request_length;
static int64_t hold_ns;
static long left, complete, failures, running;
static char first_failure[160];
static int64_t now;

// The mask is zero, as bareloop's.
static const unsigned char masked_close[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};

static void start(int index);

static int64_t monotonic(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double cpu_us(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void push(int64_t at, int index) {
	int i = heap_length++;
	for (; i > 0 && heap[(i - 1) / 2].at > at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
	heap[i] = (struct due){at, index};
}

static int pop(void) {
	int index = heap[0].index;
	struct due last = heap[--heap_length];
	int i = 0;
	for (int child = 1; child < heap_length; child = 2 * i + 1) {
		if (child + 1 < heap_length && heap[child + 1].at < heap[child].at) child++;
		if (heap[child].at >= last.at) break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return index;
}

// next begins another lifecycle in the place of one that is over.
static void next(int index) {
	running--;
	if (left > 0) start(index);
}

static void end(int index) {
	close(connections[index].fd);
	connections[index].state = unused;
	next(index);
}

static void fail(int index, const char *what, int error) {
	struct connection *c = &connections[index];
	if (failures++ == 0) {
		snprintf(first_failure, sizeof first_failure, "%s: %s", what, error ? strerror(error) : "not as the protocol has it");
	}
	if (c->state == holding && hold_ns > 0) {
		close(c->fd);
		c->state = unused; // until its entry leaves the heap
		return;
	}
	end(index);
}

// start dials. On loopback the connection is there when connect returns, but
// it says so by an event, as on any network.
static void start(int index) {
	struct connection *c = &connections[index];
	left--;
	running++;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		perror("epoll: socket"); // a limit of this host: nothing to go on with
		exit(1);
	}
	c->state = dialling;
	c->have = 0;
	c->deadline = now + limit_ms * 1000000LL;
	// Edges, for both directions: no call to change what is waited for.
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = index};
	if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
		perror("epoll: connect");
		exit(1);
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0) {
		perror("epoll: epoll_ctl");
		exit(1);
	}
}

static void ask(int index) {
	struct connection *c = &connections[index];
	int error = 0;
	socklen_t size = sizeof error;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		fail(index, "dial", error);
		return;
	}
	if (write(c->fd, request, request_length) != request_length) {
		fail(index, "write the request", errno);
		return;
	}
	c->state = upgrading;
	c->deadline = now + limit_ms * 1000000LL;
}

static void send_close(int index) {
	struct connection *c = &connections[index];
	c->state = closing;
	c->deadline = now + limit_ms * 1000000LL;
	if (write(c->fd, masked_close, sizeof masked_close) != sizeof masked_close) fail(index, "write the Close", errno);
}

static void use(struct connection *c, int size) {
	c->have -= size;
	memmove(c->input, c->input + size, c->have);
}

// upgraded looks for a whole header. It returns -1 where it is not a 101's.
static int upgraded(int index) {
	static const char status[] = "HTTP/1.1 101 ";
	struct connection *c = &connections[index];
	char *head_end = memmem(c->input, c->have, "\r\n\r\n", 4);
	if (!head_end) return c->have == buffer_size ? -1 : 0;
	if (memcmp(c->input, status, sizeof status - 1) != 0) return -1;
	use(c, head_end + 4 - c->input);
	c->state = holding;
	if (hold_ns > 0) {
		push(now + hold_ns / 2 + (int64_t)(drand48() * hold_ns), index);
	}
	return 1;
}

// frames uses up whole frames from a server, RFC 6455 section 5.2: short and
// unmasked. It returns -1 for others, and for a Close before the own one.
static int frames(struct connection *c) {
	while (c->state != closed && c->have >= 2) {
		int size = 2 + (unsigned char)c->input[1];
		if (size > 2 + 125) return -1;
		if (c->have < size) break;
		if ((unsigned char)c->input[0] == 0x88) {
			if (c->state != closing) return -1;
			c->state = closed;
		}
		use(c, size);
	}
	if (c->state == closed) c->have = 0; // what follows a Close is not looked at
	return 0;
}

// release ends the hold that is over first.
static void release(void) {
	int index = pop();
	if (connections[index].state == unused) next(index); // it failed meanwhile
	else send_close(index);
}

// receive reads to the end of what there is: the next edge is the next arrival.
static void receive(int index, uint32_t happened) {
	struct connection *c = &connections[index];
	for (int reads = 0; reads < 1000; reads++) {
		int room = buffer_size - c->have;
		ssize_t n = read(c->fd, c->input + c->have, room);
		if (n < 0 && errno == EAGAIN) return;
		if (n < 0) {
			fail(index, "read", errno);
			return;
		}
		if (n == 0) {
			if (c->state == closed) {
				complete++;
				end(index);
			} else {
				fail(index, "end of stream before the peer's Close", ECONNABORTED);
			}
			return;
		}
		c->have += n;
		if (c->state == upgrading) {
			int up = upgraded(index);
			if (up < 0) {
				fail(index, "upgrade", 0);
				return;
			}
			if (up && hold_ns == 0) {
				long before = failures;
				send_close(index);
				if (failures != before) return;
			}
		}
		if (c->state > upgrading && frames(c) < 0) {
			fail(index, "frame", 0);
			return;
		}
		// Less than there was room for: nothing is left but a FIN that this event
		// told of. What comes from here on makes another edge.
		if (n < room && !(happened & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))) return;
	}
	fail(index, "read", EMSGSIZE);
}

// expire ends what has waited too long. It looks at all, once a second.
static void expire(int at_once) {
	for (int i = 0; i < at_once; i++) {
		struct connection *c = &connections[i];
		if (c->state != unused && c->state != holding && c->deadline < now) fail(i, "wait", ETIMEDOUT);
	}
}

static void run(long at_once, double rate) {
	static struct epoll_event events[max_events];
	int64_t begin = monotonic(), look = begin, stop = begin + max_run_s * 1000000000LL;
	long started = 0; // places in use
	now = begin;
	while (running > 0 || started < at_once) {
		for (; started < at_once && (rate <= 0 || begin + started / rate * 1e9 <= now); started++) {
			connections[started].input = malloc(buffer_size);
			if (!connections[started].input) {
				perror("epoll: malloc");
				exit(1);
			}
			if (left > 0) start(started);
		}
		while (heap_length > 0 && heap[0].at <= now) release();
		int64_t wake = now + 1000000000LL;
		if (heap_length > 0 && heap[0].at < wake) wake = heap[0].at;
		if (started < at_once) wake = now + 1000000LL;
		int n = epoll_wait(epoll_fd, events, max_events, wake > now ? (wake - now + 999999) / 1000000 : 0);
		now = monotonic();
		for (int i = 0; i < n; i++) {
			int index = events[i].data.u32;
			// An error shows in what is called because of it.
			if (connections[index].state == dialling) {
				if (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) ask(index);
			} else if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
				receive(index, events[i].events);
			}
		}
		if (now - look > 1000000000LL) {
			look = now;
			expire(started);
		}
		if (now > stop) {
			fprintf(stderr, "epoll: not done after %d s: the server leaves connections open\n", max_run_s);
			exit(1);
		}
	}
}

int main(int argc, char **argv) {
	long n = argc > 3 ? atol(argv[3]) : 0, at_once = argc > 4 ? atol(argv[4]) : 0;
	double rate = argc > 6 ? atof(argv[6]) : 0;
	if (argc < 5 || argc > 7 || n < 1 || at_once < 1 || at_once > max_at_once) {
		fprintf(stderr, "usage: epoll HOST PORT LIFECYCLES AT_ONCE [MEAN_HOLD_MS [STARTS_PER_S]]\n");
		return 2;
	}
	hold_ns = argc > 5 ? (int64_t)(atof(argv[5]) * 1e6) : 0;
	address.sin_family = AF_INET;
	address.sin_port = htons(atoi(argv[2]));
	if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "epoll: %s is no IPv4 address\n", argv[1]);
		return 2;
	}
	request_length = snprintf(request, sizeof request,
		"GET /echo HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d3Nsb2FkIGJhcmVsb29wIQ==\r\n\r\n", argv[1], argv[2]);
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	connections = calloc(at_once, sizeof *connections);
	heap = calloc(at_once, sizeof *heap);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || !heap || epoll_fd < 0) {
		perror("epoll");
		return 1;
	}
	left = n;
	srand48(monotonic());

	int64_t begin = monotonic();
	double cpu = cpu_us();
	run(at_once, rate);
	double seconds = (monotonic() - begin) / 1e9;
	printf("{\"lifecycles\":%ld,\"seconds\":%f,\"cpu_us_per_lifecycle\":%f,\"lifecycles_per_s\":%f,"
	       "\"failures\":%ld,\"first_failure\":\"%s\",\"concurrency\":%ld}\n",
		complete, seconds, (cpu_us() - cpu) / (complete ? complete : 1), complete / seconds, failures, first_failure, at_once);
	return failures > 0;
}
