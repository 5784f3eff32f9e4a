/* SPDX-License-Identifier: GPL-2.0-only */
/* hits, udp-hits, serial, hold: one request after another. */
#include "client.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "http.h"
#include "tally.h"

#define MAX_REQUESTS 10000000
#define MAX_DATAGRAM 65507
#define ANSWER_HEAD  512 /* what a backend puts before the echo */

struct arguments {
	bool keep_alive, print, dont_fragment;
	size_t size; /* of a datagram, at least */
	const char *server_text;
	struct endpoint server;
	unsigned long n;
};

static bool parse(int argc, char **argv, bool count, struct arguments *arguments)
{
	static const struct option options[] = {{"keep-alive", no_argument, NULL, 'k'},
						{"print", no_argument, NULL, 'p'},
						{"size", required_argument, NULL, 's'},
						{"dont-fragment", no_argument, NULL, 'd'},
						{0}};
	char *end = NULL;
	int option;

	*arguments = (struct arguments){0};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'k')
			arguments->keep_alive = true;
		else if (option == 'p')
			arguments->print = true;
		else if (option == 'd')
			arguments->dont_fragment = true;
		else if (option == 's')
			arguments->size = strtoul(optarg, NULL, 10);
		else
			return false;
	}
	if (argc - optind != 1 + count || arguments->size > MAX_DATAGRAM)
		goto usage;
	arguments->server_text = argv[optind];
	if (!endpoint_parse(argv[optind], &arguments->server))
		goto usage;
	if (!count)
		return true;
	arguments->n = strtoul(argv[optind + 1], &end, 10);
	if (*end == '\0' && arguments->n > 0 && arguments->n <= MAX_REQUESTS)
		return true;
usage:
	fprintf(stderr, "client %s: wants SERVER%s\n", argv[0], count ? " and a number" : "");
	return false;
}

static int print_tallies(struct tally *tasks, struct tally *clients)
{
	tally_print(tasks, "task");
	tally_print(clients, "client");
	return 0;
}

/* One request on an open connection, or on a new one; closes it unless it is to be kept. */
static bool request(struct http *http, const struct arguments *arguments, char *line, size_t size)
{
	bool closes;

	if (http->fd < 0 && !http_open(http, &arguments->server))
		return false;
	if (!http_get(http, "/", arguments->keep_alive) || !http_line(http, line, size, &closes))
		return false;
	if (closes || !arguments->keep_alive)
		http_close(http);
	return true;
}

int hits_main(int argc, char **argv)
{
	static struct http http = {.fd = -1};
	struct tally tasks = {0}, clients = {0};
	struct arguments arguments;
	char line[512];

	if (!parse(argc, argv, true, &arguments))
		return 2;
	for (unsigned long i = 1; i <= arguments.n; i++) {
		if (!request(&http, &arguments, line, sizeof(line)) ||
		    !tally_answer(&tasks, &clients, line)) {
			fprintf(stderr, "%s: request %lu of %lu: %s\n", arguments.server_text, i,
				arguments.n, http.fd < 0 ? http.reason : "not a backend's answer");
			print_tallies(&tasks, &clients);
			return 1;
		}
		if (arguments.print)
			printf("%s\n", line);
	}
	return print_tallies(&tasks, &clients);
}

/*
 * The socket stays open to the end: the kernel picks source ports at random, and a port picked
 * twice would be no new conversation.
 */
static bool udp_request(const struct arguments *arguments, unsigned long i, char *answer,
			size_t room)
{
	static char ask[MAX_DATAGRAM + 1];
	int discover = IP_PMTUDISC_DO;
	size_t length;
	ssize_t n = -1;
	int fd = connect_to(&arguments->server,
			    SOCK_DGRAM); /* connected: an answer from elsewhere is not received */

	if (fd < 0)
		return false;
	if (arguments->dont_fragment &&
	    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)))
		return false;
	length = (size_t)snprintf(ask, sizeof(ask), "ask%lu", i);
	for (; length < arguments->size; length++)
		ask[length] = (char)('a' + (length + length / 251 + i) % 26);
	if (send(fd, ask, length, 0) == (ssize_t)length)
		n = recv(fd, answer, room - 1, 0);
	if (n < 0)
		return false;
	answer[n] = '\0';
	if ((size_t)n > length && memcmp(answer + n - length, ask, length) == 0)
		return true;
	errno = EBADMSG;
	return false;
}

static void raise_file_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int udp_hits_main(int argc, char **argv)
{
	struct tally tasks = {0}, clients = {0};
	struct arguments arguments;
	static char line[MAX_DATAGRAM + ANSWER_HEAD];

	if (!parse(argc, argv, true, &arguments))
		return 2;
	raise_file_limit();
	for (unsigned long i = 1; i <= arguments.n; i++) {
		if (!udp_request(&arguments, i, line, sizeof(line)) ||
		    !tally_answer(&tasks, &clients, line)) {
			fprintf(stderr, "%s: datagram %lu of %lu: %s\n", arguments.server_text, i,
				arguments.n, errno == EAGAIN ? "no answer" : strerror(errno));
			print_tallies(&tasks, &clients);
			return 1;
		}
		if (arguments.print)
			printf("%s\n", line);
	}
	return print_tallies(&tasks, &clients);
}

int serial_main(int argc, char **argv)
{
	static struct http http = {.fd = -1};
	struct arguments arguments;
	unsigned long failures = 0;
	uint32_t *took_us;
	char line[512];

	if (!parse(argc, argv, true, &arguments))
		return 2;
	took_us = calloc(arguments.n, sizeof(*took_us));
	if (!took_us)
		abort();
	for (unsigned long i = 0; i < arguments.n; i++) {
		uint64_t start = now_us();

		if (!request(&http, &arguments, line, sizeof(line)) && failures++ < 10)
			fprintf(stderr, "%s: request %lu of %lu: %s\n", arguments.server_text,
				i + 1, arguments.n, http.reason);
		took_us[i] = (uint32_t)(now_us() - start);
	}
	latency_print(took_us, arguments.n, failures);
	free(took_us);
	return failures ? 1 : 0;
}

int hold_main(int argc, char **argv)
{
	static struct http http = {.fd = -1};
	struct arguments arguments;
	char path[256], line[512];
	bool closes = false;

	if (!parse(argc, argv, false, &arguments))
		return 2;
	if (!http_open(&http, &arguments.server)) {
		fprintf(stderr, "%s: %s\n", arguments.server_text, http.reason);
		return 1;
	}
	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		if (closes) {
			fprintf(stderr, "%s: the last answer said Connection: close\n",
				arguments.server_text);
			return 1;
		}
		if (!http_get(&http, path[0] ? path : "/", true) ||
		    !http_line(&http, line, sizeof(line), &closes)) {
			fprintf(stderr, "%s: %s\n", arguments.server_text, http.reason);
			return 1;
		}
		printf("%s\n", line);
	}
	http_close(&http);
	return 0;
}
