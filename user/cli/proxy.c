/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/proxy.h"

#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"

static int run(int argc, char **argv)
{
	/* Large, and the one of this process. */
	static struct proxy_config config;
	struct skep_error error;
	int err = proxy_config_read(&config, argc - 1, argv + 1, &error);

	if (err)
		return err == -EINVAL ? cli_usage("%s", error.text) : cli_failure("%s", error.text);
	/* It has logged why. argv[-1] is the program: the command line is whole from there. */
	return proxy_run(&config, argv - 1) ? CLI_FAILURE : CLI_OK;
}

const struct cli_command cli_proxy = {
	"proxy",
	"[FLAG]…",
	"route HTTP by host and path to services that ask for it by labels",
	"Each flag is also a line `name value` in /etc/skep/proxy.conf; flags win.\n\n"
	"  --config FILE          read this file instead of /etc/skep/proxy.conf\n"
	"  --http ADDR:PORT|off   where HTTP comes in (default :80): the entry named http\n"
	"  --https ADDR:PORT|off  where TLS does (default :443 with --tls-dir): the entry named "
	"https\n"
	"  --tls-dir DIR          certificates: NAME.pem, or NAME.crt with NAME.key\n"
	"  --tls-strict on|off    refuse clients that name no host which has one (off)\n"
	"  --entry NAME=ADDR:PORT another entry; may be repeated\n"
	"  --workers N            threads (default: as many as CPUs)\n"
	"  --agent PATH           the agent's socket, /run/skep/skep.sock\n"
	"  --run-dir DIR          /run/skep-proxy\n"
	"  --user NAME            whom to become; only the right to open ports is kept\n"
	"  --trust CIDR           proxies whose X-Forwarded-* and PROXY protocol are believed;\n"
	"                         may be repeated\n"
	"  --head-bytes N, --head-fields N, --head-time S   limits of a request's head\n"
	"  --body-rate N          bytes/s that a request's body must keep, 240\n"
	"  --idle-time S          of a client between requests, 60\n"
	"  --connect-time S, --answer-time S   that a task may take, 5 and 60\n"
	"  --pool N, --pool-time S   idle connections kept to each task, by each worker\n"
	"  --max-connections N    of clients, 65536\n"
	"  --drain-time S         for requests in flight when it ends, 30\n"
	"  --relay auto|copy|splice   how payload moves (auto: as is cheaper for its size)\n"
	"  --splice-from BYTES    for auto: payload that splice(2) moves, 16384 (0: never)\n"
	"  --access-log PATH|-|off, --access-format combined|json\n"
	"  --log-level LEVEL      error, warning, info (default), debug\n\n"
	"SIGTERM: ends when its requests have. SIGHUP: another process, of the same program file,\n"
	"takes over the sockets. SIGUSR1: opens the access log and reads certificates anew.\n",
	run,
};
