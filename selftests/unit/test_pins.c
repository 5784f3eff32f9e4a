/* SPDX-License-Identifier: GPL-2.0-only */
/* Pinned maps of an earlier version: what is kept of them. Needs root. */
#include "network.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

#include "datapath/datapath.h"
#include "skep/table.h"
#include "tc.skel.h"

#define FLOWS 1024

static char base[] = "/tmp/skep-pins-XXXXXX";
static char pins[96];

static int set_up_group(void **state)
{
	if (network_enter(state) || !mkdtemp(base) || mount("bpf", base, "bpf", 0, NULL))
		return -1;
	snprintf(pins, sizeof(pins), "%s/pins", base);
	return mkdir(pins, 0700);
}

static int tear_down_group(void **state)
{
	(void)state;
	umount(base);
	return rmdir(base);
}

/* The tables of connections, pinned as they were before anything was asked of where they begin.
 * Returns the number of `flows`. */
static __u32 leave_old_tables(void)
{
	struct tc_bpf *object = tc_bpf__open();
	struct bpf_map_info info = {};
	struct bpf_program *program;
	__u32 size = sizeof(info);

	assert_non_null(object);
	bpf_object__for_each_program(program, object->obj)
		assert_int_equal(bpf_program__set_autoload(program, false), 0);
	struct bpf_map *tables[] = {object->maps.flows, object->maps.returns};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char path[160];

		snprintf(path, sizeof(path), "%s/%s", pins, bpf_map__name(tables[i]));
		assert_int_equal(bpf_map__set_pin_path(tables[i], path), 0);
		assert_int_equal(bpf_map__set_max_entries(tables[i], FLOWS / SKEP_WAYS), 0);
		assert_int_equal(bpf_map__set_map_flags(tables[i], 0), 0);
	}
	assert_int_equal(bpf_map__set_autocreate(object->maps.ring, false), 0);
	assert_int_equal(tc_bpf__load(object), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(object->maps.flows), &info, &size), 0);
	tc_bpf__destroy(object);
	return info.id;
}

static void tables_with_other_flags_are_kept_with_the_flows_in_them(void **state)
{
	const struct datapath_config config = {
		.bpffs = pins,
		.tunnel_port = 4799,
		.max_frontends = 64,
		.max_services = 16,
		.max_tasks = 64,
		.max_nodes = 16,
		.max_flows = FLOWS,
		.mode = DATAPATH_XDP,
	};
	__u32 id = leave_old_tables(), size = sizeof(struct bpf_map_info);
	struct bpf_map_info info = {};
	struct datapath *datapath;
	struct skep_error error;
	char path[160];
	int map;

	(void)state;
	assert_ok(datapath_open(&datapath, &config, &error), &error);
	assert_int_equal(datapath_flow_room(datapath), FLOWS);
	snprintf(path, sizeof(path), "%s/flows", pins);
	map = bpf_obj_get(path);
	assert_true(map >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &size), 0);
	assert_int_equal(info.id, id);
	close(map);
	datapath_close(datapath);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_with_other_flags_are_kept_with_the_flows_in_them),
	};

	return cmocka_run_group_tests_name("pins", tests, set_up_group, tear_down_group);
}
