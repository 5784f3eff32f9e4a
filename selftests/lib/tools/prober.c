/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test wants to know of single sockets, and packets that no socket would send: a table of
 * subcommands. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "tally.h"

#define MAX_ANSWER 2048

static int say_errno(const char *what)
{
	const char *name = errno == ECONNREFUSED ? "refused"
			   : errno == EPERM	 ? "not permitted"
			   : errno == EAGAIN	 ? "no answer"
						 : strerror(errno);

	printf("%s: %s\n", what, name);
	return 1;
}

static int open_socket(const struct endpoint *server, int type)
{
	struct timeval limit = {.tv_sec = 1};
	int fd = socket(server->address.ss_family, type | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static int connect_it(int fd, const struct endpoint *server)
{
	return connect(fd, (const struct sockaddr *)&server->address, server->length);
}

/* Succeeds if it is the server's. */
static int compare_name(const char *what, const struct endpoint *name,
			const struct endpoint *server)
{
	char got[ENDPOINT_TEXT], wanted[ENDPOINT_TEXT];

	endpoint_format(name, got);
	endpoint_format(server, wanted);
	if (strcmp(got, wanted) == 0)
		return 0;
	printf("%s is %s\n", what, got);
	return 1;
}

/* One socket without a peer, N datagrams; each answer must come from SERVER. */
static int sendto_main(char **argv)
{
	struct tally tasks = {0}, clients = {0};
	struct endpoint server, from;
	char answer[MAX_ANSWER];
	int fd;

	if (!endpoint_parse(argv[0], &server))
		return 2;
	fd = open_socket(&server, SOCK_DGRAM);
	for (long i = strtol(argv[1], NULL, 10); i > 0; i--) {
		ssize_t n;

		if (sendto(fd, "ask", 3, 0, (struct sockaddr *)&server.address, server.length) != 3)
			return say_errno("sendto");
		from.length = sizeof(from.address);
		n = recvfrom(fd, answer, sizeof(answer) - 1, 0, (struct sockaddr *)&from.address,
			     &from.length);
		if (n < 0)
			return say_errno("recvfrom");
		answer[n] = '\0';
		if (compare_name("the sender", &from, &server))
			return 1;
		if (!tally_answer(&tasks, &clients, answer))
			return printf("not a backend's answer: %s\n", answer), 1;
	}
	tally_print(&tasks, "task");
	tally_print(&clients, "client");
	return 0;
}

/* A connection, TCP or UDP: its peer and the sender of an answer are SERVER. */
static int peer_main(char **argv)
{
	int type = strcmp(argv[0], "udp") ? SOCK_STREAM : SOCK_DGRAM, fd;
	struct endpoint server, name;
	char answer[MAX_ANSWER];

	if (!endpoint_parse(argv[1], &server))
		return 2;
	fd = open_socket(&server, type);
	if (connect_it(fd, &server))
		return say_errno("connect");
	name.length = sizeof(name.address);
	if (getpeername(fd, (struct sockaddr *)&name.address, &name.length))
		return say_errno("getpeername");
	if (compare_name("the peer", &name, &server))
		return 1;
	if (type == SOCK_STREAM)
		return 0;
	if (send(fd, "ask", 3, 0) != 3)
		return say_errno("send");
	name.length = sizeof(name.address);
	if (recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&name.address,
		     &name.length) < 0)
		return say_errno("recvfrom");
	return compare_name("the sender", &name, &server);
}

/* Prints how a connection ends, and succeeds if it was refused within half a second. */
static int refused_main(char **argv)
{
	int type = strcmp(argv[0], "udp") ? SOCK_STREAM : SOCK_DGRAM, fd, failed;
	struct endpoint server;
	struct timespec start, end;
	char answer[16];
	long ms;

	if (!endpoint_parse(argv[1], &server))
		return 2;
	fd = open_socket(&server, type);
	clock_gettime(CLOCK_MONOTONIC, &start);
	failed = connect_it(fd, &server);
	if (!failed && type == SOCK_DGRAM)
		failed = send(fd, "ask", 3, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	if (!failed)
		return printf("not refused\n"), 1;
	say_errno("connect");
	return errno != ECONNREFUSED || ms >= 500;
}

/* One connected UDP socket for as long as stdin is open: for each line a question, and its answer
 * as a line. */
static int hold_main(char **argv)
{
	struct endpoint server;
	char line[64], answer[MAX_ANSWER];
	int fd;

	if (!endpoint_parse(argv[0], &server))
		return 2;
	fd = open_socket(&server, SOCK_DGRAM);
	if (connect_it(fd, &server))
		return say_errno("connect");
	while (fgets(line, sizeof(line), stdin)) {
		ssize_t n = -1;

		if (send(fd, "ask", 3, 0) == 3)
			n = recv(fd, answer, sizeof(answer) - 1, 0);
		if (n < 0) {
			say_errno("hold");
		} else {
			answer[n] = '\0';
			printf("%s\n", answer);
		}
		fflush(stdout);
	}
	return 0;
}

/* Waits for one datagram on PORT, prints it and its sender. */
static int await_main(char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_port = htons((in_port_t)strtol(argv[0], NULL, 10))};
	struct endpoint from = {.length = sizeof(from.address)};
	char answer[MAX_ANSWER], text[ENDPOINT_TEXT];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (bind(fd, (struct sockaddr *)&here, sizeof(here)))
		return say_errno("bind");
	n = recvfrom(fd, answer, sizeof(answer) - 1, 0, (struct sockaddr *)&from.address,
		     &from.length);
	if (n < 0)
		return say_errno("recvfrom");
	answer[n] = '\0';
	endpoint_format(&from, text);
	printf("%s from %s\n", answer, text);
	return 0;
}

struct __attribute__((packed)) forged {
	struct iphdr outer;
	struct udphdr outer_udp;
	struct __attribute__((packed)) {
		uint32_t flags;
		uint32_t vni; /* and a byte behind it */
	} vxlan;
	struct __attribute__((packed)) {
		uint16_t to_prefix;
		uint32_t to;
		uint16_t from_prefix;
		uint32_t from;
		uint16_t protocol;
	} ethernet;
	struct iphdr inner;
	struct udphdr inner_udp;
	char payload[6];
};

static uint16_t checksum(const void *data, size_t size)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static struct iphdr ip_header(const struct sockaddr_in *from, const struct sockaddr_in *to,
			      size_t size)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons((uint16_t)size),
		.saddr = from->sin_addr.s_addr,
		.daddr = to->sin_addr.s_addr,
	};

	ip.check = checksum(&ip, sizeof(ip));
	return ip;
}

/*
 * A frame as skep's tunnel carries them, kind `forward` to target port 53: FROM and TO are the
 * nodes (with the tunnel's port), TASK the task's address (with any port), CLIENT and FRONTEND the
 * datagram's ends.
 */
static int forge_main(char **argv)
{
	struct endpoint ends[5];
	const struct sockaddr_in *from, *to, *task, *client, *frontend;
	struct forged frame = {.payload = "forged"};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	for (int i = 0; i < 5; i++)
		if (!endpoint_parse(argv[i], &ends[i]))
			return 2;
	from = (struct sockaddr_in *)&ends[0].address;
	to = (struct sockaddr_in *)&ends[1].address;
	task = (struct sockaddr_in *)&ends[2].address;
	client = (struct sockaddr_in *)&ends[3].address;
	frontend = (struct sockaddr_in *)&ends[4].address;
	frame.outer = ip_header(from, to, sizeof(frame));
	frame.outer_udp.source = htons(50000);
	frame.outer_udp.dest = to->sin_port;
	frame.outer_udp.len = htons(sizeof(frame) - sizeof(frame.outer));
	frame.vxlan.flags = htonl(0x08000000);
	frame.vxlan.vni = htonl((1U << 16 | 53) << 8);
	frame.ethernet.to_prefix = htons(0x0242);
	frame.ethernet.to = task->sin_addr.s_addr;
	frame.ethernet.from_prefix = htons(0x0242);
	frame.ethernet.from = from->sin_addr.s_addr;
	frame.ethernet.protocol = htons(0x0800);
	frame.inner =
		ip_header(client, frontend,
			  sizeof(frame.inner) + sizeof(frame.inner_udp) + sizeof(frame.payload));
	frame.inner_udp.source = client->sin_port;
	frame.inner_udp.dest = frontend->sin_port;
	frame.inner_udp.len = htons(sizeof(frame.inner_udp) + sizeof(frame.payload));
	if (fd < 0 || sendto(fd, &frame, sizeof(frame), 0, (struct sockaddr *)&ends[1].address,
			     ends[1].length) < 0)
		return say_errno("forge");
	return 0;
}

static const struct {
	const char *name;
	int arguments;
	int (*main)(char **argv);
	const char *usage;
} commands[] = {
	{"sendto", 2, sendto_main, "SERVER N"},
	{"peer", 2, peer_main, "tcp|udp SERVER"},
	{"refused", 2, refused_main, "tcp|udp SERVER"},
	{"hold", 1, hold_main, "SERVER"},
	{"await", 1, await_main, "PORT"},
	{"forge", 5, forge_main, "FROM TO TASK CLIENT FRONTEND"},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands) && argc > 1; i++)
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 == commands[i].arguments)
			return commands[i].main(argv + 2);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, "prober %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
