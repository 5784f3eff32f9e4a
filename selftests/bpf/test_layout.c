/* SPDX-License-Identifier: GPL-2.0-only */
/* The border as BTF tells it: what bpftool prints of a pinned map, and both sides mean the same by
 * it. */
#include <stdio.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "expect.h"
#include "skep/table.h"
#include "harness.skel.h"

static void maps_have_the_sizes_of_their_structs(void **state)
{
	struct mesh *mesh = *state;
	const struct {
		struct bpf_map *map;
		size_t key, value;
	} maps[] = {
		{mesh->programs->maps.config, 4, sizeof(struct skep_config)},
		{mesh->programs->maps.services, sizeof(struct skep_frontend),
		 sizeof(struct skep_service)},
		{mesh->programs->maps.service_names, 4, sizeof(struct skep_service_name)},
		{mesh->programs->maps.allow, sizeof(struct skep_allow_key),
		 sizeof(struct skep_allow)},
		{mesh->programs->maps.rings, 4, 4},
		{mesh->programs->maps.tasks, sizeof(struct skep_addr), sizeof(struct skep_task)},
		{mesh->programs->maps.nodes, sizeof(struct skep_addr), sizeof(struct skep_node)},
		{mesh->programs->maps.flows, 4, sizeof(struct skep_flow_bucket)},
		{mesh->programs->maps.returns, 4, sizeof(struct skep_return_bucket)},
		{mesh->programs->maps.fragments, sizeof(struct skep_fragment_key),
		 sizeof(struct skep_fragment)},
		{mesh->programs->maps.service_counters, 4, sizeof(struct skep_counter)},
		{mesh->programs->maps.task_counters, 4, sizeof(struct skep_counter)},
		{mesh->programs->maps.verdicts, 4, 8},
		{mesh->programs->maps.hooks, 4, sizeof(struct skep_hook)},
		{mesh->programs->maps.wires, 4, sizeof(struct skep_wire)},
		{mesh->programs->maps.xdp_counters, 4, 8},
	};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		assert_int_equal(bpf_map__key_size(maps[i].map), maps[i].key);
		assert_int_equal(bpf_map__value_size(maps[i].map), maps[i].value);
	}
}

static void maps_have_types_for_bpftool(void **state)
{
	struct mesh *mesh = *state;
	struct bpf_map *map;

	bpf_object__for_each_map(map, mesh->programs->obj)
	{
		struct bpf_map_info info = {};
		__u32 length = sizeof(info);

		if (bpf_map__is_internal(map) || map == mesh->programs->maps.ring)
			continue;
		assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &length), 0);
		/* What a map of maps holds has its type in the object, see `ring`. */
		if (map != mesh->programs->maps.rings)
			assert_true(info.btf_id && info.btf_key_type_id && info.btf_value_type_id);
	}
}

static void structs_have_the_sizes_that_user_space_sees(void **state)
{
	static const struct {
		const char *name;
		size_t size;
	} structs[] = {
		{"skep_addr", sizeof(struct skep_addr)},
		{"skep_config", sizeof(struct skep_config)},
		{"skep_frontend", sizeof(struct skep_frontend)},
		{"skep_service", sizeof(struct skep_service)},
		{"skep_service_name", sizeof(struct skep_service_name)},
		{"skep_ring_header", sizeof(struct skep_ring_header)},
		{"skep_task", sizeof(struct skep_task)},
		{"skep_node", sizeof(struct skep_node)},
		{"skep_flow_key", sizeof(struct skep_flow_key)},
		{"skep_flow_choice", sizeof(struct skep_flow_choice)},
		{"skep_flow_way", sizeof(struct skep_flow_way)},
		{"skep_flow_bucket", sizeof(struct skep_flow_bucket)},
		{"skep_return_key", sizeof(struct skep_return_key)},
		{"skep_return_path", sizeof(struct skep_return_path)},
		{"skep_return_way", sizeof(struct skep_return_way)},
		{"skep_return_bucket", sizeof(struct skep_return_bucket)},
		{"skep_fragment_key", sizeof(struct skep_fragment_key)},
		{"skep_fragment", sizeof(struct skep_fragment)},
		{"skep_counter", sizeof(struct skep_counter)},
		{"skep_allow_key", sizeof(struct skep_allow_key)},
		{"skep_hook", sizeof(struct skep_hook)},
	};
	struct mesh *mesh = *state;
	const struct btf *btf = bpf_object__btf(mesh->programs->obj);

	for (size_t i = 0; i < sizeof(structs) / sizeof(structs[0]); i++) {
		int id = btf__find_by_name_kind(btf, structs[i].name, BTF_KIND_STRUCT);

		if (id < 0)
			fail_msg("no struct %s in BTF", structs[i].name);
		assert_int_equal(btf__type_by_id(btf, (__u32)id)->size, structs[i].size);
	}
}

static void nothing_lies_in_a_hole(void **state)
{
	static const char *const structs[] = {
		"skep_config",	     "skep_frontend",	 "skep_service",    "skep_task",
		"skep_flow_key",     "skep_flow_choice", "skep_flow_way",   "skep_flow_bucket",
		"skep_return_key",   "skep_return_path", "skep_return_way", "skep_return_bucket",
		"skep_fragment_key", "skep_fragment",	 "skep_counter",    "skep_allow_key",
	};
	struct mesh *mesh = *state;
	const struct btf *btf = bpf_object__btf(mesh->programs->obj);

	for (size_t i = 0; i < sizeof(structs) / sizeof(structs[0]); i++) {
		int id = btf__find_by_name_kind(btf, structs[i], BTF_KIND_STRUCT);
		const struct btf_type *type = btf__type_by_id(btf, (__u32)id);
		const struct btf_member *member = btf_members(type);
		__u32 next = 0;

		for (int n = 0; n < btf_vlen(type); n++, member++) {
			assert_int_equal(member->offset, next * 8);
			next += (__u32)btf__resolve_size(btf, member->type);
		}
		assert_int_equal(next, type->size);
	}
}

/* A start of the agent takes as long as its programs' verification. What they count is told by
 * Linux 5.16 and later. */
static void no_program_keeps_the_verifier_long(void **state)
{
	struct mesh *mesh = *state;
	struct bpf_program *program;

	bpf_object__for_each_program(program, mesh->programs->obj)
	{
		struct bpf_prog_info info = {};
		__u32 length = sizeof(info);

		if (!bpf_program__autoload(program))
			continue;
		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length),
				 0);
		if (info.verified_insns > 100000)
			fail_msg("%s: %u instructions", bpf_program__name(program),
				 info.verified_insns);
	}
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_have_the_sizes_of_their_structs),
		cmocka_unit_test(maps_have_types_for_bpftool),
		cmocka_unit_test(structs_have_the_sizes_that_user_space_sees),
		cmocka_unit_test(nothing_lies_in_a_hole),
		cmocka_unit_test(no_program_keeps_the_verifier_long),
	};

	return mesh_run_tests("layout", tests, sizeof(tests) / sizeof(tests[0]));
}
