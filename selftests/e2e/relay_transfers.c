/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay_transfers PROXY_PORT BACKEND_PORT N SEED [polite|stuck]: N transfers through a proxy, by
 * clients and a server that are both here. Requests and answers of random sizes, over connections
 * that are kept, and tunnels; some read slowly, some close early, on either side. Every byte that
 * arrives anywhere must be the one that was sent at that place; who was not cut off must have got
 * all. polite: only tunnels, in which each side speaks when the other has, and whole. stuck: N
 * tunnels, one after the other, whose client reads nothing until the server can send no more (that
 * is what bytes is then, at most, of one) and has got all that the client says meanwhile.
 *
 * Prints "transfers=… cut=… bytes=…", and what went wrong on standard error. Exit status 1 then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS	   16
#define PIPELINED  64	 /* requests at once */
#define PATIENCE   20000 /* ms without anything moving */
#define HEAD_MOST  8192
#define SIZE_BITS  21	       /* sizes below 2 MiB, most of them small */
#define SLOW_BYTES (64 * 1024) /* that a slow reader reads slowly, before it has mercy */

#define STUFF_MOST (256UL * 1024 * 1024)
#define STUCK_SAYS (1024 * 1024)
#define STUFF_SEED 1

enum cut {
	CUT_NONE,
	CUT_CLIENT,
	CUT_SERVER
};

/* What client and server agree on: written in the path. */
struct transfer {
	unsigned int seed;
	size_t up, down;
	enum cut cut;
	size_t cut_after; /* bytes received, or sent by the server */
	bool tunnel, slow_client, slow_server, polite, stuck;
};

static uint16_t proxy_port;
static atomic_uint next_transfer, wrong, cuts;
static atomic_ullong bytes;
static unsigned int n_transfers, first_seed;
static bool only_polite;

static __attribute__((format(printf, 2, 3))) void complain(const struct transfer *transfer,
							   const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	atomic_fetch_add(&wrong, 1);
	fprintf(stderr, "transfer %u (%s, up %zu, down %zu, cut %d after %zu): %s\n",
		transfer->seed, transfer->tunnel ? "tunnel" : "request", transfer->up,
		transfer->down, (int)transfer->cut, transfer->cut_after, text);
}

/* The byte at a place: no two places of a transfer, and no two transfers, are likely to agree over
 * more than a few. */
static unsigned char byte_at(unsigned int seed, size_t at)
{
	uint64_t x = ((uint64_t)seed << 32 ^ at >> 3) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return (unsigned char)(x >> (8 * (at & 7)));
}

/* ---- one connection, both ways at once */

struct flow {
	const struct transfer *transfer;
	int fd;
	unsigned int send_seed, receive_seed;
	size_t send, receive;		 /* bytes */
	size_t stop_sent, stop_received; /* ends when so many are */
	bool half_closes;		 /* says so when all is sent, and reads to the end */
	bool slow;
	bool waits; /* sends nothing before all is received */
	size_t sent, received;
	bool ended; /* read to the end */
	bool broken;
};

static bool flow_is_done(const struct flow *flow)
{
	if (flow->broken || flow->sent >= flow->stop_sent || flow->received >= flow->stop_received)
		return true;
	return flow->sent == flow->send &&
	       (flow->half_closes ? flow->ended : flow->received == flow->receive);
}

static void flow_read(struct flow *flow)
{
	unsigned char data[32768];
	size_t most = flow->slow && flow->received < SLOW_BYTES ? 1500 : sizeof(data);
	ssize_t n;

	/* Without a half-close the next message may follow: not a byte of it is touched. */
	if (!flow->half_closes && most > flow->receive - flow->received)
		most = flow->receive - flow->received;
	n = recv(flow->fd, data, most, MSG_DONTWAIT);
	if (n < 0) {
		flow->broken = errno != EAGAIN;
		return;
	}
	if (!n) {
		flow->ended = true;
		flow->broken = !flow->half_closes;
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (data[i] != byte_at(flow->receive_seed, flow->received + (size_t)i)) {
			complain(flow->transfer, "byte %zu is not what was sent",
				 flow->received + (size_t)i);
			flow->broken = true;
			return;
		}
	flow->received += (size_t)n;
	if (flow->received > flow->receive) {
		complain(flow->transfer, "%zu bytes too many", flow->received - flow->receive);
		flow->broken = true;
	}
	atomic_fetch_add(&bytes, (unsigned long long)n);
	if (flow->slow && flow->received < SLOW_BYTES) {
		const struct timespec pause = {0, 200000}; /* this is what slow means */

		nanosleep(&pause, NULL);
	}
}

static void flow_write(struct flow *flow)
{
	unsigned char data[32768];
	size_t size = flow->send - flow->sent;
	ssize_t n;

	if (size > flow->stop_sent - flow->sent)
		size = flow->stop_sent - flow->sent;
	if (size > sizeof(data))
		size = sizeof(data);
	for (size_t i = 0; i < size; i++)
		data[i] = byte_at(flow->send_seed, flow->sent + i);
	n = send(flow->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		flow->broken = errno != EAGAIN;
		return;
	}
	flow->sent += (size_t)n;
	if (flow->sent == flow->send && flow->half_closes)
		shutdown(flow->fd, SHUT_WR);
}

static void flow_run(struct flow *flow)
{
	if (!flow->send && flow->half_closes)
		shutdown(flow->fd, SHUT_WR);
	while (!flow_is_done(flow)) {
		struct pollfd poll_fd = {.fd = flow->fd};
		bool may_send =
			flow->sent < flow->send && !(flow->waits && flow->received < flow->receive);

		if (flow->half_closes ? !flow->ended : flow->received < flow->receive)
			poll_fd.events |= POLLIN;
		if (may_send)
			poll_fd.events |= POLLOUT;
		if (poll(&poll_fd, 1, PATIENCE) <= 0) {
			complain(flow->transfer,
				 "nothing moves: %zu of %zu are sent, %zu of %zu are received",
				 flow->sent, flow->send, flow->received, flow->receive);
			flow->broken = true;
			return;
		}
		if (poll_fd.revents & POLLOUT)
			flow_write(flow);
		else if (poll_fd.revents & POLLIN)
			flow_read(flow);
		else if (poll_fd.revents & (POLLERR | POLLHUP))
			flow->broken = true;
		/* Both: in turns. */
		if (!flow->broken && (poll_fd.revents & POLLOUT) && (poll_fd.revents & POLLIN))
			flow_read(flow);
	}
}

/* ---- heads */

/* Up to the empty line, not a byte further. false: the end, or no head. */
static bool read_head(int fd, char head[HEAD_MOST])
{
	size_t size = 0;

	while (size < HEAD_MOST - 1) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

		if (poll(&poll_fd, 1, PATIENCE) <= 0 || read(fd, head + size, 1) != 1)
			return false;
		head[++size] = '\0';
		if (size >= 4 && strcmp(head + size - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

static bool write_text(int fd, const char *text)
{
	size_t size = strlen(text);

	return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool write_request(int fd, const struct transfer *transfer)
{
	char head[512], framing[64] = "Connection: Upgrade\r\nUpgrade: raw";

	if (!transfer->tunnel)
		snprintf(framing, sizeof(framing), "Content-Length: %zu", transfer->up);
	snprintf(head, sizeof(head),
		 "%s /%u-%zu-%zu-%d-%zu-%d%d%d HTTP/1.1\r\nHost: any\r\n%s\r\n\r\n",
		 transfer->tunnel ? "GET" : "POST", transfer->seed, transfer->up, transfer->down,
		 (int)transfer->cut, transfer->cut_after, transfer->tunnel, transfer->slow_server,
		 transfer->stuck ? 2 : transfer->polite, framing);
	return write_text(fd, head);
}

static bool read_request(int fd, struct transfer *transfer)
{
	char head[HEAD_MOST], method[8];
	int cut, tunnel, slow, polite;

	*transfer = (struct transfer){0};
	if (!read_head(fd, head) ||
	    sscanf(head, "%7s /%u-%zu-%zu-%d-%zu-%1d%1d%1d HTTP/1.1\r\n", method, &transfer->seed,
		   &transfer->up, &transfer->down, &cut, &transfer->cut_after, &tunnel, &slow,
		   &polite) != 9)
		return false;
	transfer->cut = (enum cut)cut;
	transfer->tunnel = tunnel;
	transfer->slow_server = slow;
	transfer->polite = polite == 1;
	transfer->stuck = polite == 2;
	return true;
}

/* ---- the server */

static atomic_ullong stuffed;
static sem_t is_stuffed;

/* As much as is taken of somebody whom nobody reads. Then it reads itself, and ends. */
static void stuff(int fd)
{
	static unsigned char data[STUCK_SAYS];
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	size_t sent = 0, came = 0;
	ssize_t n;

	while (sent < STUFF_MOST && poll(&poll_fd, 1, 1000) == 1) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = byte_at(STUFF_SEED, sent + i);
		n = send(fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return;
		sent += n > 0 ? (size_t)n : 0;
	}
	atomic_store(&stuffed, sent);
	sem_post(&is_stuffed);
	while (came < STUCK_SAYS && (n = read(fd, data, sizeof(data))) > 0)
		came += (size_t)n;
}

/* false: the connection carries nothing more. */
static bool answer(int fd, const struct transfer *transfer)
{
	struct flow flow = {
		.transfer = transfer,
		.fd = fd,
		.send_seed = transfer->seed + 1,
		.receive_seed = transfer->seed,
		.send = transfer->tunnel ? transfer->down : 0,
		.receive = transfer->up,
		.stop_sent = SIZE_MAX,
		.stop_received = SIZE_MAX,
		.half_closes = transfer->tunnel,
		.slow = transfer->slow_server,
		.waits = transfer->polite,
	};
	char head[256];

	if (transfer->tunnel) {
		if (!write_text(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				    "Upgrade: raw\r\n\r\n"))
			return false;
		if (transfer->stuck) {
			stuff(fd);
			return false;
		}
		if (transfer->cut == CUT_SERVER)
			flow.stop_sent = transfer->cut_after;
		flow_run(&flow);
		if (transfer->cut == CUT_NONE && flow.received != transfer->up)
			complain(transfer, "the server got %zu", flow.received);
		return false;
	}
	flow_run(&flow);
	if (flow.received != transfer->up) {
		if (transfer->cut == CUT_NONE)
			complain(transfer, "the server got %zu", flow.received);
		return false;
	}
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		 transfer->down);
	flow.send = transfer->down;
	if (transfer->cut == CUT_SERVER)
		flow.stop_sent = transfer->cut_after;
	if (!write_text(fd, head))
		return false;
	flow_run(&flow);
	return !flow.broken && flow.sent == transfer->down;
}

static void *serve_one(void *context)
{
	int fd = (int)(intptr_t)context;
	struct transfer transfer;

	while (read_request(fd, &transfer) && answer(fd, &transfer))
		;
	close(fd);
	return NULL;
}

static void *serve(void *context)
{
	int listener = (int)(intptr_t)context;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_attr_t detached;
		pthread_t thread;

		if (fd < 0)
			continue;
		pthread_attr_init(&detached);
		pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&detached, 256 * 1024);
		if (pthread_create(&thread, &detached, serve_one, (void *)(intptr_t)fd))
			close(fd);
		pthread_attr_destroy(&detached);
	}
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1024)) {
		perror("relay_transfers: cannot listen");
		exit(2);
	}
	return fd;
}

/* ---- the clients */

static unsigned int next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*state >> 33);
}

static size_t random_size(uint64_t *state)
{
	return next_random(state) & ((1U << next_random(state) % (SIZE_BITS + 1)) - 1);
}

static struct transfer make_transfer(unsigned int number)
{
	uint64_t state = ((uint64_t)first_seed << 32) + number;
	struct transfer transfer = {.seed = number * 2};
	unsigned int kind;

	next_random(&state);
	kind = next_random(&state) % 16;
	transfer.up = random_size(&state);
	transfer.down = random_size(&state);
	transfer.tunnel = only_polite || kind % 4 == 0;
	transfer.polite = only_polite;
	if (only_polite)
		transfer.up++; /* the client speaks first: nothing comes with the answer's head */
	transfer.slow_client = next_random(&state) % 8 == 0;
	transfer.slow_server = next_random(&state) % 8 == 0;
	if (!only_polite && kind >= 12 && transfer.down) {
		transfer.cut = kind % 2 ? CUT_CLIENT : CUT_SERVER;
		transfer.cut_after = next_random(&state) % transfer.down;
	}
	return transfer;
}

static int connect_to_proxy(bool slow)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(proxy_port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, small = 8192;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (slow)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Requests, with bodies that are worth splicing, before an answer to the first is read: what is
 * behind one is none of its payload. */
static void pipeline(void)
{
	const struct transfer transfer = {.up = 20000, .down = 10};
	static unsigned char body[20000];
	char head[HEAD_MOST];
	int fd = connect_to_proxy(false);

	for (size_t i = 0; i < transfer.up; i++)
		body[i] = byte_at(transfer.seed, i);
	for (int i = 0; i < PIPELINED; i++)
		if (!write_request(fd, &transfer) ||
		    send(fd, body, sizeof(body), MSG_NOSIGNAL) != sizeof(body)) {
			complain(&transfer, "the proxy takes no request %d at once", i);
			break;
		}
	for (int i = 0; i < PIPELINED; i++) {
		struct flow flow = {
			.transfer = &transfer,
			.fd = fd,
			.receive_seed = transfer.seed + 1,
			.receive = transfer.down,
			.stop_sent = SIZE_MAX,
			.stop_received = SIZE_MAX,
		};

		if (!read_head(fd, head) || strncmp(head, "HTTP/1.1 200 ", 13) != 0) {
			complain(&transfer, "of requests at once, %d is answered with \"%.40s\"", i,
				 head);
			break;
		}
		flow_run(&flow);
	}
	close(fd);
}

/* true: the connection may be used again. */
static bool exchange(int fd, const struct transfer *transfer)
{
	struct flow flow = {
		.transfer = transfer,
		.fd = fd,
		.send_seed = transfer->seed,
		.receive_seed = transfer->seed + 1,
		.send = transfer->up,
		.receive = transfer->tunnel ? transfer->down : 0,
		.stop_sent = SIZE_MAX,
		.stop_received = SIZE_MAX,
		.half_closes = transfer->tunnel,
		.slow = transfer->slow_client,
	};
	char head[HEAD_MOST];
	unsigned int status;

	if (!write_request(fd, transfer)) {
		complain(transfer, "the proxy takes no request");
		return false;
	}
	if (!transfer->tunnel)
		flow_run(&flow);
	if (!read_head(fd, head) || sscanf(head, "HTTP/1.1 %u ", &status) != 1 ||
	    status != (transfer->tunnel ? 101 : 200)) {
		complain(transfer, "answered with \"%.40s\"", head);
		return false;
	}
	flow.receive = transfer->down;
	if (transfer->cut == CUT_CLIENT)
		flow.stop_received = transfer->cut_after;
	flow_run(&flow);
	if (transfer->cut == CUT_NONE &&
	    (flow.sent != transfer->up || flow.received != transfer->down))
		complain(transfer, "%zu sent, %zu received", flow.sent, flow.received);
	if (transfer->cut == CUT_SERVER && flow.received > transfer->cut_after)
		complain(transfer, "%zu received", flow.received);
	if (transfer->cut != CUT_NONE)
		atomic_fetch_add(&cuts, 1);
	return !transfer->tunnel && transfer->cut == CUT_NONE && !flow.broken;
}

static void *client(void *context)
{
	int fd = -1;
	unsigned int number;

	(void)context;
	while ((number = atomic_fetch_add(&next_transfer, 1)) < n_transfers) {
		struct transfer transfer = make_transfer(number);

		if (fd < 0)
			fd = connect_to_proxy(transfer.slow_client);
		if (fd < 0) {
			complain(&transfer, "no connection: %s", strerror(errno));
			continue;
		}
		if (!exchange(fd, &transfer)) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* ---- nobody reads */

static bool open_tunnel(int fd)
{
	const struct transfer transfer = {.tunnel = true, .stuck = true};
	char head[HEAD_MOST];

	return fd >= 0 && write_request(fd, &transfer) && read_head(fd, head) &&
	       strncmp(head, "HTTP/1.1 101 ", 13) == 0;
}

/* Says what it has to say, and only then listens. */
static bool be_stuck(void)
{
	int fd = connect_to_proxy(false);
	static unsigned char data[STUCK_SAYS];
	size_t sent = 0, came = 0, wrong_at = SIZE_MAX;
	bool good = open_tunnel(fd);
	ssize_t n = 0;

	if (good)
		sem_wait(&is_stuffed);
	while (good && sent < STUCK_SAYS) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

		n = poll(&poll_fd, 1, PATIENCE) == 1
			    ? send(fd, data, sizeof(data) - sent, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : 0;
		good = n > 0 || (n < 0 && errno == EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
	}
	if (!good)
		fprintf(stderr, "nothing moves: %zu of %d bytes are taken\n", sent, STUCK_SAYS);
	while (good && (n = read(fd, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n && wrong_at == SIZE_MAX; i++)
			if (data[i] != byte_at(STUFF_SEED, came + (size_t)i))
				wrong_at = came + (size_t)i;
		came += (size_t)n;
	}
	if (wrong_at != SIZE_MAX)
		fprintf(stderr, "byte %zu is not what was sent\n", wrong_at);
	if (good && (n || came != atomic_load(&stuffed)))
		fprintf(stderr, "%zu of %llu bytes came\n", came, atomic_load(&stuffed));
	close(fd);
	return good && !n && came == atomic_load(&stuffed) && wrong_at == SIZE_MAX;
}

static int get_stuck(unsigned int n)
{
	unsigned long long most = 0;

	sem_init(&is_stuffed, 0, 0);
	for (unsigned int i = 0; i < n; i++) {
		if (!be_stuck())
			return 1;
		if (atomic_load(&stuffed) > most)
			most = atomic_load(&stuffed);
	}
	printf("transfers=%u cut=0 bytes=%llu\n", n, most);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t server, clients[CLIENTS];

	if (argc < 5) {
		fprintf(stderr, "usage: relay_transfers PROXY_PORT BACKEND_PORT N SEED "
				"[polite|stuck]\n");
		return 2;
	}
	proxy_port = (uint16_t)atoi(argv[1]);
	n_transfers = (unsigned int)atoi(argv[3]);
	first_seed = (unsigned int)atoi(argv[4]);
	only_polite = argc > 5 && strcmp(argv[5], "polite") == 0;
	signal(SIGPIPE, SIG_IGN);
	if (pthread_create(&server, NULL, serve,
			   (void *)(intptr_t)listen_on((uint16_t)atoi(argv[2]))))
		return 2;
	if (argc > 5 && strcmp(argv[5], "stuck") == 0)
		return get_stuck(n_transfers);
	if (!only_polite)
		pipeline();
	for (int i = 0; i < CLIENTS; i++)
		if (pthread_create(&clients[i], NULL, client, NULL))
			return 2;
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	printf("transfers=%u cut=%u bytes=%llu\n", n_transfers, atomic_load(&cuts),
	       atomic_load(&bytes));
	return atomic_load(&wrong) != 0;
}
