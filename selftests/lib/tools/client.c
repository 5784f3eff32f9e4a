/* SPDX-License-Identifier: GPL-2.0-only */
/* The test client: a table of subcommands. */
#include "client.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{"hits", hits_main,
	 "[--keep-alive] [--print] SERVER N\n"
	 "\tN requests one after another, each on a new connection. Prints how often each\n"
	 "\ttask answered and which client addresses the tasks saw: \"task NAME COUNT\",\n"
	 "\t\"client ADDRESS COUNT\". --keep-alive: on one connection. --print: answers too."},
	{"udp-hits", udp_hits_main,
	 "[--print] [--size BYTES] [--dont-fragment] SERVER N\n"
	 "\tThe same by UDP, a new socket each time; the answer must come from SERVER.\n"
	 "\t--size: datagrams that long. --dont-fragment: as path MTU discovery sends them."},
	{"serial", serial_main,
	 "SERVER N\n"
	 "\tN short connections one after another: requests, failures, longest and 99th\n"
	 "\tpercentile in ms."},
	{"hold", hold_main,
	 "SERVER\n"
	 "\tOne connection for as long as stdin is open; for each line (a path; empty: /)\n"
	 "\ta request, and its answer as a line."},
	{"pair", pair_main,
	 "[--udp] SERVER SERVER N\n"
	 "\tTwo conversations at the same time from one port of the client's, N requests on\n"
	 "\teach, in turn. Each server must see one client port all along, and not the\n"
	 "\tother's: for two ways to one task. Prints what each answered."},
	{"download", download_main, "SERVER BYTES\n\tGET /bytes/BYTES; every byte is checked."},
	{"upload", upload_main,
	 "SERVER BYTES\n\tPOST /upload; count and hash told by the backend are checked."},
	{"bulk", bulk_main,
	 "SERVER SECONDS\n\tGET /zeros/…, read and thrown away for so long; prints how fast."},
	{"flood", flood_main,
	 "[--rate R] SERVER NETWORK/LENGTH SECONDS\n"
	 "\tSYNs from every address of the network in turn, as fast as this machine can or R\n"
	 "\ta second: \"syns=N seconds=S\". Root. At most 60 seconds, at least a /12."},
	{"load", load_main,
	 "--rate R [--seconds S] [--until-stdin-eof] [--keep-alive] [--connections C]\n"
	 "\t     [--in-turn] [--path P] [--timeout S] SERVER…\n"
	 "\tR requests a second, however long answers take, in turn over the servers; each\n"
	 "\ton a new connection unless --keep-alive. --in-turn: on all C connections in turn.\n"
	 "\tR is 0: as many as C connections carry.\n"
	 "\tUntil S seconds went by, stdin ended, or SIGTERM. Prints requests, failures,\n"
	 "\tlongest, 99th percentile and median in ms, connections opened, tasks and clients."},
};

int main(int argc, char **argv)
{
	size_t n = sizeof(commands) / sizeof(commands[0]);

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < n; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].main(argc - 1, argv + 1);
	fprintf(stderr, "SERVER: ADDRESS:PORT or [ADDRESS]:PORT.\n"
			"Exit status: 0, 1 (a request failed), 2 (usage).\n");
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "client %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
