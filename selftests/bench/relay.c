/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay: what it costs to relay payload between two TCP connections: copied, by splice(2), or by
 * socket redirect (sk_skb on a sockhash) with nothing of what makes that safe, so at its cheapest;
 * and copied, with a local hop (sk_msg) to the server.
 *
 * Client, relay and server are three processes on one CPU, loopback; in some rows the server's
 * sockets are in a network namespace of their own, behind a veth, as a task's are. CPU time is of
 * all three, and of the kernel's workers, which do the sending of what is redirected. Rounds of one
 * message: the server sends it back, or sends so much for one byte. The median of RUNS (5), us for
 * each round. Then what redirecting does to who reads slowly, to who reads by splice(2), and to
 * what TCP sends again.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench/relay.skel.h"

#define BUFFER	  16384
#define PIPE_ROOM (256 * 1024)
#define MOST	  64 /* connections */
#define MIB	  (1024 * 1024)

#define HOST_ADDRESS "10.97.0.1"
#define TASK_ADDRESS "10.97.0.2"

enum means {
	COPY,
	SPLICE,
	WOKEN,
	REDIRECT,
	HOP,
	N_MEANS
};

static const char *const names[N_MEANS] = {"copy", "splice", "redirect, woken", "redirect",
					   "copy, local hop"};

struct task { /* of one run */
	enum means means;
	int connections;
	size_t ask, answer; /* bytes; ask == answer: sent back */
	int rounds;	    /* of each connection */
	bool veth;	    /* between relay and server */
};

struct side {
	int fd, pipe[2];
	struct side *peer;
	size_t held; /* in the pipe, or in data from `at` */
	size_t at;
	bool ended;
	char *data;
};

static struct relay_bpf *programs;
static int own_namespace, task_namespace;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		fail(what);
}

static int listen_at(struct sockaddr_in *addr, in_addr_t where)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*addr);

	*addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = where};
	must(fd >= 0 && !bind(fd, (struct sockaddr *)addr, size) && !listen(fd, MOST) &&
		     !getsockname(fd, (struct sockaddr *)addr, &size),
	     "cannot listen");
	return fd;
}

static int listen_on(struct sockaddr_in *addr)
{
	return listen_at(addr, htonl(INADDR_LOOPBACK));
}

/* As a task does. */
static int listen_behind_veth(struct sockaddr_in *addr)
{
	int fd;

	must(!setns(task_namespace, CLONE_NEWNET), "the task's namespace");
	fd = listen_at(addr, inet_addr(TASK_ADDRESS));
	must(!setns(own_namespace, CLONE_NEWNET), "this namespace");
	return fd;
}

static void run_command(const char *command)
{
	must(system(command) == 0, command); /* NOLINT(cert-env33-c): constants of this file */
}

/* Namespaces of its own, which go when it does. */
static void make_namespaces(void)
{
	char command[128];

	must(!unshare(CLONE_NEWNET), "a namespace for the task");
	task_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(!unshare(CLONE_NEWNET), "a namespace");
	own_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(task_namespace >= 0 && own_namespace >= 0, "namespaces");
	run_command("ip link set lo up && ip link add host type veth peer name task && "
		    "ip addr add " HOST_ADDRESS "/30 dev host && ip link set host up");
	snprintf(command, sizeof(command), "ip link set task netns /proc/%d/fd/%d", (int)getpid(),
		 task_namespace);
	run_command(command);
	must(!setns(task_namespace, CLONE_NEWNET), "the task's namespace");
	run_command("ip addr add " TASK_ADDRESS "/30 dev task && ip link set task up");
	must(!setns(own_namespace, CLONE_NEWNET), "this namespace");
}

static int at_once(int fd)
{
	int one = 1;

	must(fd >= 0 && !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "a socket");
	return fd;
}

static int connect_to(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && !connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), "connect");
	return at_once(fd);
}

static int accept_from(int listener)
{
	return at_once(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		must(n > 0, "write");
		data += n;
		size -= (size_t)n;
	}
}

static void watch(int epoll_fd, int fd, uint32_t events, void *pointer)
{
	struct epoll_event event = {.events = events, .data.ptr = pointer};

	must(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* ---- in the kernel */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	must(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), "SO_COOKIE");
	return cookie;
}

static void insert(const struct bpf_map *map, uint64_t key, uint64_t value)
{
	must(!bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY), "a map's entry");
}

static void redirect(int from, int to)
{
	insert(programs->maps.peers, cookie_of(from), cookie_of(to));
	insert(programs->maps.sockets, cookie_of(from), (uint64_t)from);
}

/* What came before it was inserted stays where it is until this. */
static void kick(int fd)
{
	int one = 1;

	must(!setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)), "SO_RCVLOWAT");
}

/* Found by who sends from the other end. */
static void make_hop(int fd)
{
	struct sockaddr_in here, there;
	socklen_t size = sizeof(here);

	must(!getsockname(fd, (struct sockaddr *)&here, &size) &&
		     !getpeername(fd, (struct sockaddr *)&there, &size),
	     "addresses");
	insert(programs->maps.hops, (uint64_t)ntohs(there.sin_port) << 32 | ntohs(here.sin_port),
	       (uint64_t)fd);
}

static void load(void)
{
	programs = relay_bpf__open_and_load();
	must(programs &&
		     !bpf_prog_attach(bpf_program__fd(programs->progs.redirect),
				      bpf_map__fd(programs->maps.sockets), BPF_SK_SKB_VERDICT, 0) &&
		     !bpf_prog_attach(bpf_program__fd(programs->progs.hop),
				      bpf_map__fd(programs->maps.hops), BPF_SK_MSG_VERDICT, 0),
	     "cannot load the programs");
}

/* ---- the relay */

/* false: the source has nothing more to read, or has ended. */
static bool fill(enum means means, struct side *side)
{
	ssize_t n = means == SPLICE ? splice(side->fd, NULL, side->pipe[1], NULL, PIPE_ROOM,
					     SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
				    : recv(side->fd, side->data, BUFFER, MSG_DONTWAIT);

	if (n < 0)
		return false;
	side->ended = n == 0;
	side->held = (size_t)n;
	side->at = 0;
	return n > 0;
}

static bool drain(enum means means, struct side *side)
{
	while (side->held) {
		ssize_t n = means == SPLICE ? splice(side->pipe[0], NULL, side->peer->fd, NULL,
						     side->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
					    : send(side->peer->fd, side->data + side->at,
						   side->held, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return false;
		side->held -= (size_t)n;
		side->at += (size_t)n;
	}
	return true;
}

static void move(enum means means, struct side *side)
{
	size_t got;

	if (side->ended)
		return;
	do {
		if (!drain(means, side) || !fill(means, side))
			break;
		got = side->held;
		/* As the proxy: less than asked for is all there is. */
	} while (drain(means, side) && (means == SPLICE || got == BUFFER));
	if (side->ended)
		shutdown(side->peer->fd, SHUT_WR);
}

static void open_side(const struct task *task, int epoll_fd, struct side *side, int fd)
{
	uint32_t events = EPOLLET | EPOLLRDHUP;

	side->fd = fd;
	side->data = malloc(BUFFER);
	must(side->data && !pipe2(side->pipe, O_NONBLOCK | O_CLOEXEC) &&
		     !fcntl(fd, F_SETFL, O_NONBLOCK),
	     "no room");
	(void)fcntl(side->pipe[1], F_SETPIPE_SZ, PIPE_ROOM);
	if (task->means != REDIRECT)
		events |= EPOLLIN | EPOLLOUT;
	watch(epoll_fd, fd, events, side);
}

static _Noreturn void relay(const struct task *task, int listener, const struct sockaddr_in *server)
{
	static struct side sides[2 * MOST];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < task->connections; i++) {
		struct side *near = &sides[2 * i], *far = near + 1;

		open_side(task, epoll_fd, near, accept_from(listener));
		open_side(task, epoll_fd, far, connect_to(server));
		near->peer = far;
		far->peer = near;
		if (task->means == REDIRECT || task->means == WOKEN) {
			redirect(near->fd, far->fd);
			redirect(far->fd, near->fd);
			kick(near->fd);
		}
		if (task->means == HOP)
			make_hop(far->fd);
	}
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct side *side = events[i].data.ptr;

			move(task->means, side);
			if (side->peer->held)
				move(task->means, side->peer);
		}
	}
}

/* ---- the ends */

static _Noreturn void serve(const struct task *task, int listener)
{
	static size_t come[MOST];
	static int fds[MOST];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	char *data = calloc(1, MIB), *answer = calloc(1, task->answer);

	must(data && answer, "no memory");
	for (int i = 0; i < task->connections; i++) {
		fds[i] = accept_from(listener);
		if (task->means == HOP)
			make_hop(fds[i]);
		watch(epoll_fd, fds[i], EPOLLIN, &fds[i]);
	}
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			int *fd = events[i].data.ptr;
			ssize_t got = read(*fd, data, MIB);

			if (got <= 0)
				_exit(0);
			come[fd - fds] += (size_t)got;
			if (come[fd - fds] < task->ask)
				continue;
			come[fd - fds] = 0;
			write_all(*fd, answer, task->answer);
		}
	}
}

static void ask(const struct task *task, int *fds)
{
	static size_t come[MOST];
	static int rounds[MOST];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), left = task->connections;
	char *data = calloc(1, MIB > task->ask ? MIB : task->ask);

	must(data, "no memory");
	for (int i = 0; i < left; i++) {
		come[i] = 0;
		rounds[i] = 0;
		watch(epoll_fd, fds[i], EPOLLIN, &fds[i]);
		write_all(fds[i], data, task->ask);
	}
	while (left) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, 10000);

		if (!n)
			errno = ETIMEDOUT;
		must(n > 0, "nothing comes");
		for (int i = 0; i < n; i++) {
			int *fd = events[i].data.ptr, at = (int)(fd - fds);
			ssize_t got = read(*fd, data, MIB);

			must(got > 0, "read");
			come[at] += (size_t)got;
			if (come[at] < task->answer)
				continue;
			come[at] = 0;
			if (++rounds[at] == task->rounds)
				left--;
			else
				write_all(*fd, data, task->ask);
		}
	}
	free(data);
	close(epoll_fd);
}

/* ---- what it costs */

static double process_us(pid_t pid)
{
	struct timespec time = {0};
	clockid_t clock;

	must(!clock_getcpuclockid(pid, &clock) && !clock_gettime(clock, &time), "a CPU clock");
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double thread_us(const char *pid)
{
	char path[300], text[64] = "";
	FILE *file;
	double ns = 0;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return 0; /* it has ended */
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	if (strncmp(text, "kworker", 7) != 0 && strncmp(text, "ksoftirqd", 9) != 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file))
		ns = strtod(text, NULL);
	fclose(file);
	return ns / 1e3;
}

static double workers_us(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	double sum = 0;

	must(directory, "/proc");
	while ((entry = readdir(directory)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			sum += thread_us(entry->d_name);
	closedir(directory);
	return sum;
}

struct ends {
	pid_t relay, server;
	int fds[MOST];
};

static pid_t child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void begin(const struct task *task, struct ends *ends)
{
	struct sockaddr_in front, back;
	int relay_fd = listen_on(&front);
	int server_fd = task->veth ? listen_behind_veth(&back) : listen_on(&back);

	ends->server = child();
	if (!ends->server)
		serve(task, server_fd);
	ends->relay = child();
	if (!ends->relay)
		relay(task, relay_fd, &back);
	for (int i = 0; i < task->connections; i++)
		ends->fds[i] = connect_to(&front);
	close(relay_fd);
	close(server_fd);
}

static void end(const struct task *task, struct ends *ends)
{
	kill(ends->relay, SIGKILL);
	kill(ends->server, SIGKILL);
	waitpid(ends->relay, NULL, 0);
	waitpid(ends->server, NULL, 0);
	for (int i = 0; i < task->connections; i++)
		close(ends->fds[i]);
}

static double run(const struct task *task)
{
	struct task warm = *task;
	struct ends ends;
	double used;

	begin(task, &ends);
	warm.rounds = 1;
	ask(&warm, ends.fds);
	used = -workers_us() - process_us(ends.relay) - process_us(ends.server) -
	       process_us(getpid());
	ask(task, ends.fds);
	used += process_us(ends.relay) + process_us(ends.server) + process_us(getpid()) +
		workers_us();
	end(task, &ends);
	return used / task->rounds / task->connections;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, struct task task, int runs)
{
	static double us[N_MEANS][99];

	/* One after another in each run, so that all have the same weather. */
	for (int i = 0; i < runs; i++)
		for (int means = 0; means < N_MEANS; means++) {
			task.means = (enum means)means;
			us[means][i] = run(&task);
		}
	printf("| %s |", name);
	for (int means = 0; means < N_MEANS; means++) {
		qsort(us[means], (size_t)runs, sizeof(double), compare);
		printf(" %.1f |", us[means][runs / 2]);
	}
	putchar('\n');
	fflush(stdout);
}

/* ---- what it does */

/* How much a sender gets rid of whose reader reads nothing, MiB, of 256. */
static void stuff(enum means means)
{
	const struct task task = {means, 1, SIZE_MAX, 1, 1, false};
	struct sockaddr_in front, back;
	int relay_fd = listen_on(&front), server_fd = listen_on(&back), fd, reader;
	static char data[MIB];
	size_t sent = 0;
	pid_t pid = child();

	if (!pid)
		relay(&task, relay_fd, &back);
	fd = connect_to(&front);
	reader = accept_from(server_fd);
	if (means == HOP)
		make_hop(reader);
	while (sent < 256 * (size_t)MIB) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
		ssize_t n;

		if (poll(&poll_fd, 1, 500) == 0)
			break;
		n = send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
		must(n > 0 || errno == EAGAIN, "send");
		sent += n > 0 ? (size_t)n : 0;
	}
	printf("%s: %zu of 256 MiB are taken for a reader that reads nothing\n", names[means],
	       sent / MIB);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	close(reader);
	close(relay_fd);
	close(server_fd);
}

/* Does who reads by splice(2) get what came by the local hop? */
static void splice_from_hop(void)
{
	struct sockaddr_in addr;
	int listener = listen_on(&addr), from = connect_to(&addr), to = accept_from(listener);
	struct pollfd poll_fd = {.fd = to, .events = POLLIN};
	int ends[2];
	ssize_t n;

	must(!pipe2(ends, O_CLOEXEC) && !fcntl(to, F_SETFL, O_NONBLOCK), "pipe");
	make_hop(from);
	make_hop(to);
	write_all(from, "0123456789", 10);
	must(poll(&poll_fd, 1, 1000) == 1, "the local hop brings nothing");
	n = splice(to, NULL, ends[1], NULL, 10, SPLICE_F_NONBLOCK);
	printf("local hop: epoll says that 10 bytes are there, splice(2) reads %zd%s%s\n",
	       n < 0 ? 0 : n, n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
	close(from);
	close(to);
	close(listener);
}

/* ---- what is sent again */

static uint16_t sum_of(const void *data, size_t size, uint32_t sum)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t sequence(int fd, int queue)
{
	int value;
	socklen_t size = sizeof(value);

	must(!setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) &&
		     !getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &value, &size),
	     "a sequence number");
	return (uint32_t)value;
}

/* In one segment what fd's other end has had and what it has not, as TCP may that sends again. */
static void send_again(int fd, const char *data, size_t had, size_t size)
{
	struct {
		struct tcphdr head;
		char data[64];
	} segment = {.head = {.doff = 5, .psh = 1, .ack = 1, .window = htons(512)}};
	struct sockaddr_in here, there;
	socklen_t length = sizeof(here);
	int repair = 1, raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	uint32_t sum;

	must(raw >= 0 && !getsockname(fd, (struct sockaddr *)&here, &length) &&
		     !getpeername(fd, (struct sockaddr *)&there, &length) &&
		     !setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &repair, sizeof(repair)),
	     "a raw socket");
	segment.head.source = here.sin_port;
	segment.head.dest = there.sin_port;
	segment.head.seq = htonl(sequence(fd, TCP_SEND_QUEUE) - (uint32_t)had);
	segment.head.ack_seq = htonl(sequence(fd, TCP_RECV_QUEUE));
	repair = 0;
	must(!setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &repair, sizeof(repair)), "TCP_REPAIR");
	memcpy(segment.data, data, size);
	size += sizeof(segment.head);
	sum = IPPROTO_TCP + (uint32_t)size + sum_of(&here.sin_addr, sizeof(here.sin_addr), 0);
	sum += sum_of(&there.sin_addr, sizeof(there.sin_addr), 0);
	segment.head.check = htons((uint16_t)~sum_of(&segment, size, sum));
	must(sendto(raw, &segment, size, 0, (struct sockaddr *)&there, sizeof(there)) ==
		     (ssize_t)size,
	     "sendto");
	close(raw);
}

static void overlap(enum means means)
{
	const struct task task = {means, 1, SIZE_MAX, 1, 1, false};
	static const char data[] = "0123456789abcdefghij";
	struct sockaddr_in front, back;
	int relay_fd = listen_on(&front), server_fd = listen_on(&back), fd;
	struct pollfd poll_fd = {.events = POLLIN};
	char came[64];
	size_t n = 0;
	pid_t pid = child();

	if (!pid)
		relay(&task, relay_fd, &back);
	fd = connect_to(&front);
	poll_fd.fd = accept_from(server_fd);
	write_all(fd, data, 10);
	while (n < sizeof(came) && poll(&poll_fd, 1, 500) == 1) {
		ssize_t got = read(poll_fd.fd, came + n, sizeof(came) - n);

		must(got > 0, "read");
		if (!n)
			send_again(fd, data, 10, 20);
		n += (size_t)got;
	}
	printf("%s: of 20 bytes, 10 of which TCP sent twice, %zu come\n", names[means], n);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	close(poll_fd.fd);
	close(relay_fd);
	close(server_fd);
}

static void costs(int runs)
{
	static const struct {
		const char *name;
		struct task task;
	} rows[] = {
		{"64 bytes back, 1 connection", {COPY, 1, 64, 64, 2000, false}},
		{"1 KiB back, 1 connection", {COPY, 1, 1024, 1024, 2000, false}},
		{"1 KiB back, 64 connections", {COPY, 64, 1024, 1024, 50, false}},
		{"16 KiB back", {COPY, 1, 16384, 16384, 1000, false}},
		{"1 KiB answered", {COPY, 1, 1, 1024, 2000, false}},
		{"16 KiB answered", {COPY, 1, 1, 16384, 1000, false}},
		{"100 KiB answered", {COPY, 1, 1, 102400, 250, false}},
		{"1 MiB answered", {COPY, 1, 1, MIB, 40, false}},
		{"10 MiB answered", {COPY, 1, 1, 10 * MIB, 4, false}},
		{"veth: 1 KiB back, 1 connection", {COPY, 1, 1024, 1024, 2000, true}},
		{"veth: 1 KiB back, 64 connections", {COPY, 64, 1024, 1024, 50, true}},
		{"veth: 100 KiB answered", {COPY, 1, 1, 102400, 250, true}},
		{"veth: 1 MiB answered", {COPY, 1, 1, MIB, 40, true}},
	};

	printf("| us of CPU for each round |");
	for (int means = 0; means < N_MEANS; means++)
		printf(" %s |", names[means]);
	printf("\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		measure(rows[i].name, rows[i].task, runs);
}

int main(void)
{
	const char *text = getenv("RUNS");
	int runs = text ? atoi(text) : 5;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	must(runs >= 0 && runs < 100, "RUNS is 0 to 99");
	must(!sched_setaffinity(0, sizeof(cpus), &cpus), "CPU 0");
	signal(SIGPIPE, SIG_IGN);
	make_namespaces();
	load();
	if (runs)
		costs(runs);
	stuff(COPY);
	stuff(SPLICE);
	stuff(REDIRECT);
	stuff(HOP);
	splice_from_hop();
	overlap(COPY);
	overlap(SPLICE);
	overlap(REDIRECT);
	relay_bpf__destroy(programs);
	return 0;
}
