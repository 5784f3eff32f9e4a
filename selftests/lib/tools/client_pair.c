/* SPDX-License-Identifier: GPL-2.0-only */
/* pair: two conversations from one port. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"
#include "http.h"

#define LINE 512

struct side {
	const char *text;
	struct endpoint server;
	struct http http;
	char answer[LINE]; /* the first: "TASK CLIENT:PORT" */
};

static bool ask_tcp(struct side *side, char *line)
{
	bool closes;

	return http_get(&side->http, "/", true) && http_line(&side->http, line, LINE, &closes);
}

/* The answer ends with the question, which is each time and on each side another. */
static bool ask_udp(struct side *side, unsigned long i, char *line)
{
	char ask[64];
	int length = snprintf(ask, sizeof(ask), " %s #%lu", side->text, i);
	ssize_t n = -1;

	if (send(side->http.fd, ask, (size_t)length, 0) == length)
		n = recv(side->http.fd, line, LINE - 1, 0);
	if (n < length || memcmp(line + n - length, ask, (size_t)length) != 0) {
		snprintf(side->http.reason, sizeof(side->http.reason), "%s",
			 n >= 0		   ? "that is the answer to something else"
			 : errno == EAGAIN ? "no answer"
					   : strerror(errno));
		return false;
	}
	line[n - length] = '\0';
	return true;
}

static bool ask(struct side *side, bool udp, unsigned long i)
{
	char line[LINE];

	if (!(udp ? ask_udp(side, i, line) : ask_tcp(side, line))) {
		fprintf(stderr, "%s: request %lu: %s\n", side->text, i + 1, side->http.reason);
		return false;
	}
	if (!i)
		memcpy(side->answer, line, sizeof(line));
	if (strcmp(line, side->answer) == 0)
		return true;
	fprintf(stderr, "%s: request %lu: \"%s\", and before \"%s\"\n", side->text, i + 1, line,
		side->answer);
	return false;
}

int pair_main(int argc, char **argv)
{
	static struct side sides[2];
	bool udp = argc > 1 && strcmp(argv[1], "--udp") == 0;
	uint16_t port = 0;
	unsigned long n = 0;
	char *end = "?";

	argv += udp;
	argc -= udp;
	if (argc == 4)
		n = strtoul(argv[3], &end, 10);
	if (*end || !n || !endpoint_parse(argv[1], &sides[0].server) ||
	    !endpoint_parse(argv[2], &sides[1].server)) {
		fprintf(stderr, "client pair: wants two SERVERs and a number\n");
		return 2;
	}
	for (int s = 0; s < 2; s++) {
		sides[s].text = argv[1 + s];
		sides[s].http.fd =
			connect_from(&sides[s].server, udp ? SOCK_DGRAM : SOCK_STREAM, &port);
		if (sides[s].http.fd < 0) {
			fprintf(stderr, "%s: from port %u: %s\n", sides[s].text, port,
				strerror(errno));
			return 1;
		}
	}
	for (unsigned long i = 0; i < n; i++)
		for (int s = 0; s < 2; s++)
			if (!ask(&sides[s], udp, i))
				return 1;
	for (int s = 0; s < 2; s++)
		printf("%s %s\n", sides[s].text, sides[s].answer);
	if (strcmp(sides[0].answer, sides[1].answer) != 0)
		return 0;
	fprintf(stderr, "both were one conversation to the task\n");
	return 1;
}
