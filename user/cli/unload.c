/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/options.h"
#include "datapath/datapath.h"
#include "datapath/read.h"
#include "net/net.h"

/* What is there before, so that it can be said what was removed. */
struct inventory {
	size_t hooks, pins, vips;
	bool mesh;
	char interfaces[1024]; /* of the hooks, as many as fit */
};

static int count_hook(void *context, const void *key, const void *value)
{
	static const char *const roles[] = {
		[SKEP_HOOK_WIRE] = "wire",
		[SKEP_HOOK_MESH] = "mesh",
		[SKEP_HOOK_TASK] = "task",
		[SKEP_HOOK_BRIDGE] = "bridge",
	};
	const __u32 *ifindex = key;
	const struct skep_hook *hook = value;
	struct inventory *inventory = context;
	size_t used = strlen(inventory->interfaces), room = sizeof(inventory->interfaces) - used;
	char name[IF_NAMESIZE], one[IF_NAMESIZE + 16];

	if (!if_indextoname(*ifindex, name))
		return 0; /* it went with its interface */
	snprintf(one, sizeof(one), "%s%s (%s)", inventory->hooks ? ", " : "", name,
		 hook->role <= SKEP_HOOK_BRIDGE && roles[hook->role] ? roles[hook->role] : "?");
	inventory->hooks++;
	if (strlen(one) + sizeof(", …") < room)
		memcpy(inventory->interfaces + used, one, strlen(one) + 1);
	else if (room > sizeof(", …") && used && inventory->interfaces[used - 1] == ')')
		memcpy(inventory->interfaces + used, ", …", sizeof(", …"));
	return 0;
}

/* Files in bpffs; subdirectories hold pins too, but none that a person would count. */
static size_t count_pins(const char *bpffs)
{
	DIR *directory = opendir(bpffs);
	size_t n = 0;

	if (!directory)
		return 0;
	for (const struct dirent *entry; (entry = readdir(directory));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			n++;
	closedir(directory);
	return n;
}

static size_t count_vips(void)
{
	struct skep_error ignored; /* unloading reads them too, and tells */
	struct net_state net;
	size_t n = 0;

	if (net_state_read(&net, &ignored))
		return 0;
	for (size_t i = 0; i < net.n_addrs; i++)
		n += net_vip_is_ours(&net.addrs[i]);
	net_state_free(&net);
	return n;
}

static void take_inventory(const char *bpffs, struct inventory *inventory)
{
	const struct maps_entry_visitor visitor = {count_hook, inventory};
	struct skep_error ignored; /* no map of hooks, nothing hooked that we know of */

	*inventory = (struct inventory){
		.pins = count_pins(bpffs),
		.vips = count_vips(),
		.mesh = if_nametoindex(NET_MESH_NAME) != 0,
	};
	(void)maps_walk(bpffs, "hooks", &visitor, &ignored);
}

static void tell(const struct inventory *before, const struct inventory *after, const char *bpffs)
{
	bool mesh = before->mesh && !after->mesh;

	if (before->vips > after->vips)
		printf("removed: the VIPs that this node held (%zu)\n", before->vips - after->vips);
	if (before->hooks > after->hooks)
		printf("removed: programs on %s\n", before->interfaces);
	if (mesh)
		printf("removed: %s, its routes and rule\n", NET_MESH_NAME);
	if (before->pins > after->pins)
		printf("removed: %zu pins under %s\n", before->pins - after->pins, bpffs);
	if (before->hooks <= after->hooks && !mesh && before->pins <= after->pins &&
	    before->vips <= after->vips)
		printf("nothing of skep is left here, and nothing was\n");
}

static int run(int argc, char **argv)
{
	struct inventory before, after;
	struct skep_error error;
	struct options options;
	int runs;

	if (options_parse(&options, OPTIONS_FORCE | OPTIONS_BPFFS, argc, argv, &error))
		return cli_usage("%s", error.text);
	runs = options.force ? 0 : client_agent_runs(options.run_dir, &error);
	if (runs < 0)
		return cli_failure("%s; use --force if none does", error.text);
	if (runs)
		return cli_failure(
			"an agent runs on %s and would put everything back; stop it first "
			"(systemctl stop skep), or use --force",
			options.run_dir);
	take_inventory(options.bpffs, &before);
	if (datapath_unload(options.bpffs, &error))
		return cli_failure("%s", error.text);
	take_inventory(options.bpffs, &after);
	tell(&before, &after, options.bpffs);
	return CLI_OK;
}

const struct cli_command cli_unload = {
	"unload",
	"[--force] [--bpffs DIR] [--run-dir DIR]",
	"remove all that skep made in the kernel",
	"Programs and their clsact qdiscs, skep0, its routes and rule, pinned maps, VIPs that "
	"skep\n"
	"put here. Flows end; what is left is Docker's own mesh. Refuses while an agent runs.\n\n"
	"  --force         even so\n"
	"  --bpffs DIR     where maps are pinned, /sys/fs/bpf/skep\n"
	"  --run-dir DIR   where an agent would run, /run/skep\n",
	run,
};
