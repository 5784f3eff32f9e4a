/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Both ends of tunnels, as WebSockets make them: upgraded connections that carry bytes both ways.
 *
 * tunnels serve PORT
 *	A thread for each connection. GET with Upgrade: 101, then what comes is sent back. After a
 *	'q' this end says no more, but goes on reading: /late tells how many bytes came so. When the
 *	other end says no more it gets "bye", once somebody has asked for /release, and the end.
 * tunnels hold [tls] ADDRESS PORT HOST N FIFO
 *	N tunnels at once, through each of which a message goes and comes back; then the client says
 *	no more in every eighth, and the server in the eighth after it. Prints "N idle" and waits
 *for a line in FIFO. Then all exchange again, those half-closed one way. Prints "N exchanged
 *again". tunnels flood [tls] ADDRESS PORT HOST N N tunnels that exchange without a pause. Prints "N
 *flow" when all do, "N ended" when all have. tunnels stay [tls] ADDRESS PORT HOST EVERY_MS LIMIT_MS
 *	One, which exchanges every EVERY_MS; 0: not at all. Prints "ended after MS" or "open after
 *MS".
 *
 * What does not come as it must is told on standard error; exit status 1 then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S   30 /* for anything to come that must */
#define MESSAGE_MOST 16000
#define LATE_BYTES   100
#define STACK_SIZE   (128 * 1024)
#define BYE	     "bye"

static __attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run_thread(void *(*run)(void *), void *context)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attributes, run, context);
	if (err)
		fail("cannot start a thread: %s", strerror(err));
	pthread_attr_destroy(&attributes);
}

/* ---- one end of a connection; ssl is NULL where it is not encrypted */

struct end {
	int fd;
	SSL *ssl;
};

static bool put(const struct end *end, const char *data, size_t size)
{
	while (size) {
		ssize_t n = end->ssl ? SSL_write(end->ssl, data, (int)size)
				     : send(end->fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Bytes; 0: the end, said as it must be; -1: broken off, or too long in coming. */
static ssize_t get(const struct end *end, char *data, size_t size)
{
	int n;

	if (!end->ssl)
		return recv(end->fd, data, size, 0);
	n = SSL_read(end->ssl, data, (int)size);
	if (n > 0)
		return n;
	return SSL_get_error(end->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static bool get_all(const struct end *end, char *data, size_t size)
{
	while (size) {
		ssize_t n = get(end, data, size);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static void say_no_more(const struct end *end)
{
	if (end->ssl)
		SSL_shutdown(end->ssl);
	else
		shutdown(end->fd, SHUT_WR);
}

/* A head, up to its empty line and no further: what is sent in one go comes after the answer. */
static bool get_head(const struct end *end, char *head, size_t room)
{
	size_t size = 0;

	while (size < room - 1) {
		if (!get_all(end, head + size, 1))
			return false;
		head[++size] = '\0';
		if (size >= 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

/* ---- the server */

static atomic_ullong late;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released_now = PTHREAD_COND_INITIALIZER;
static bool released;

static void answer_order(const struct end *end, const char *head)
{
	char text[256], body[32] = "";

	if (strncmp(head, "GET /release ", 13) == 0) {
		pthread_mutex_lock(&lock);
		released = true;
		pthread_cond_broadcast(&released_now);
		pthread_mutex_unlock(&lock);
	} else {
		snprintf(body, sizeof(body), "%llu\n", atomic_load(&late));
	}
	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(body), body);
	put(end, text, strlen(text));
}

static void echo(const struct end *end)
{
	char data[16384];
	bool silent = false;
	ssize_t n;

	while ((n = get(end, data, sizeof(data))) > 0) {
		if (silent) {
			atomic_fetch_add(&late, (unsigned long long)n);
			continue;
		}
		if (!put(end, data, (size_t)n))
			return;
		silent = memchr(data, 'q', (size_t)n);
		if (silent)
			say_no_more(end);
	}
	if (n < 0 || silent)
		return;
	pthread_mutex_lock(&lock);
	while (!released)
		pthread_cond_wait(&released_now, &lock);
	pthread_mutex_unlock(&lock);
	put(end, BYE, strlen(BYE));
}

static void *serve_one(void *context)
{
	static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				       "Upgrade: websocket\r\n\r\n";
	const struct end end = {.fd = (int)(intptr_t)context};
	char head[4096];

	if (get_head(&end, head, sizeof(head))) {
		if (!strcasestr(head, "\r\nUpgrade:"))
			answer_order(&end, head);
		else if (put(&end, upgraded, strlen(upgraded)))
			echo(&end);
	}
	close(end.fd);
	return NULL;
}

static struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, address, &made.sin_addr) != 1)
		fail("%s is no address", address);
	return made;
}

static int serve(const char *port)
{
	struct sockaddr_in address = address_of("0.0.0.0", port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 4096))
		fail("cannot listen on port %s: %s", port, strerror(errno));
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		run_thread(serve_one, (void *)(intptr_t)fd);
	fail("cannot accept: %s", strerror(errno));
}

/* ---- the client */

static SSL_CTX *tls;
static struct sockaddr_in proxy;
static const char *host;

/* An upgraded connection. Whether its certificate is the right one is asked elsewhere. */
static struct end tunnel(void)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct end end = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	char head[4096];

	setsockopt(end.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(end.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(end.fd, (struct sockaddr *)&proxy, sizeof(proxy)))
		fail("cannot connect: %s", strerror(errno));
	if (tls) {
		end.ssl = SSL_new(tls);
		if (!end.ssl || !SSL_set_fd(end.ssl, end.fd) || SSL_connect(end.ssl) != 1)
			fail("no TLS");
	}
	snprintf(head, sizeof(head),
		 "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2tlcHNrZXBza2Vwc2tlcA==\r\n\r\n",
		 host);
	if (!put(&end, head, strlen(head)) || !get_head(&end, head, sizeof(head)) ||
	    strncmp(head, "HTTP/1.1 101 ", 13) != 0)
		fail("no upgrade: %s", head);
	return end;
}

static void end_tunnel(struct end *end)
{
	SSL_free(end->ssl);
	close(end->fd);
}

/* A message of its own for each tunnel and round: capital letters. */
static size_t message(char *text, int number, int round)
{
	size_t size = 1 + (size_t)(number * 7919 + round * 104729) % MESSAGE_MOST;

	for (size_t i = 0; i < size; i++)
		text[i] = (char)('A' + (i + (size_t)number + (size_t)round * 7) % 26);
	return size;
}

static void send_message(const struct end *end, int number, int round)
{
	char text[MESSAGE_MOST];

	if (!put(end, text, message(text, number, round)))
		fail("tunnel %d takes nothing, in round %d", number, round);
}

static void expect_message(const struct end *end, int number, int round)
{
	char text[MESSAGE_MOST], came[MESSAGE_MOST];
	size_t size = message(text, number, round);

	if (!get_all(end, came, size) || memcmp(came, text, size) != 0)
		fail("tunnel %d does not bring back what was sent, in round %d", number, round);
}

static void expect_end(const struct end *end, int number)
{
	char byte;
	ssize_t n = get(end, &byte, 1);

	if (n)
		fail("tunnel %d has no end: %s", number, n > 0 ? "a byte comes" : "it broke off");
}

enum half {
	OPEN,
	CLIENT_SILENT,
	SERVER_SILENT
};

static enum half half_of(int number)
{
	return number % 8 == 0 ? CLIENT_SILENT : number % 8 == 1 ? SERVER_SILENT : OPEN;
}

static void half_close(const struct end *end, int number)
{
	char byte;

	if (half_of(number) == CLIENT_SILENT) {
		say_no_more(end);
	} else if (half_of(number) == SERVER_SILENT) {
		if (!put(end, "q", 1) || !get_all(end, &byte, 1) || byte != 'q')
			fail("tunnel %d does not bring back its last", number);
		expect_end(end, number);
	}
}

static void send_again(const struct end *end, int number)
{
	char text[LATE_BYTES];

	memset(text, 'L', sizeof(text));
	if (half_of(number) == OPEN)
		send_message(end, number, 2);
	else if (half_of(number) == SERVER_SILENT && !put(end, text, sizeof(text)))
		fail("tunnel %d takes nothing after the server's last", number);
}

static void expect_again(const struct end *end, int number)
{
	char bye[sizeof(BYE)] = "";

	if (half_of(number) == OPEN)
		expect_message(end, number, 2);
	else if (half_of(number) == SERVER_SILENT)
		return;
	else if (!get_all(end, bye, strlen(BYE)) || strcmp(bye, BYE) != 0)
		fail("tunnel %d brings no word of the server after the client's last", number);
	else
		expect_end(end, number);
}

static int hold(int n, const char *path)
{
	struct end *ends = calloc((size_t)n, sizeof(*ends));
	char line[16];
	FILE *fifo;

	for (int i = 0; i < n; i++)
		ends[i] = tunnel();
	for (int i = 0; i < n; i++)
		send_message(&ends[i], i, 1);
	for (int i = 0; i < n; i++)
		expect_message(&ends[i], i, 1);
	for (int i = 0; i < n; i++)
		half_close(&ends[i], i);
	printf("%d idle\n", n);
	fflush(stdout);
	fifo = fopen(path, "r");
	if (!fifo || !fgets(line, sizeof(line), fifo))
		fail("%s: nobody says to go on", path);
	fclose(fifo);
	for (int i = 0; i < n; i++)
		send_again(&ends[i], i);
	for (int i = 0; i < n; i++)
		expect_again(&ends[i], i);
	for (int i = 0; i < n; i++)
		end_tunnel(&ends[i]);
	free(ends);
	printf("%d exchanged again\n", n);
	return 0;
}

static atomic_int flow, ended;

static void *flood_one(void *context)
{
	int number = (int)(intptr_t)context;
	struct end end = tunnel();
	char text[MESSAGE_MOST], came[MESSAGE_MOST];
	size_t size = message(text, number, 1);
	bool flows = false;

	while (put(&end, text, size) && get_all(&end, came, size)) {
		if (memcmp(came, text, size) != 0)
			fail("tunnel %d does not bring back what was sent", number);
		if (!flows)
			atomic_fetch_add(&flow, 1);
		flows = true;
	}
	end_tunnel(&end);
	atomic_fetch_add(&ended, 1);
	return NULL;
}

static void await(atomic_int *count, int n, const char *what)
{
	const struct timespec moment = {.tv_nsec = 20000000};
	int64_t limit = now_ms() + PATIENCE_S * 1000;

	while (atomic_load(count) < n) {
		if (now_ms() > limit)
			fail("%d of %d %s", atomic_load(count), n, what);
		nanosleep(&moment, NULL);
	}
	printf("%d %s\n", n, what);
	fflush(stdout);
}

static int flood(int n)
{
	for (int i = 0; i < n; i++)
		run_thread(flood_one, (void *)(intptr_t)i);
	await(&flow, n, "flow");
	await(&ended, n, "ended");
	return 0;
}

static int stay(int every_ms, int limit_ms)
{
	struct end end = tunnel();
	int64_t began = now_ms(), next = began + (every_ms ? every_ms : limit_ms);
	bool open = true;
	char byte;

	while (open && now_ms() < began + limit_ms) {
		int64_t left = next - now_ms();
		struct timeval wait = {left / 1000, left % 1000 * 1000};

		if (left > 0) {
			setsockopt(end.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
			open = get(&end, &byte, 1) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
		} else {
			next += every_ms ? every_ms : limit_ms;
			wait = (struct timeval){.tv_sec = PATIENCE_S};
			setsockopt(end.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
			open = put(&end, "A", 1) && get_all(&end, &byte, 1) && byte == 'A';
		}
	}
	printf("%s after %lld\n", open ? "open" : "ended", (long long)(now_ms() - began));
	end_tunnel(&end);
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc > 2 && strcmp(argv[2], "tls") == 0) {
		tls = SSL_CTX_new(TLS_client_method());
		argv[2] = argv[1];
		argc--, argv++;
	}
	if (argc < 6)
		fail("tunnels serve|hold|flood|stay …: see tunnels.c");
	proxy = address_of(argv[2], argv[3]);
	host = argv[4];
	if (argc == 7 && strcmp(argv[1], "hold") == 0)
		return hold(atoi(argv[5]), argv[6]);
	if (argc == 6 && strcmp(argv[1], "flood") == 0)
		return flood(atoi(argv[5]));
	if (argc == 7 && strcmp(argv[1], "stay") == 0)
		return stay(atoi(argv[5]), atoi(argv[6]));
	fail("%s: what is that?", argv[1]);
}
