/* SPDX-License-Identifier: GPL-2.0-only */
/* What each program of the given BPF objects costs, as the running kernel sees it. Loads them,
 * attaches and pins nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define LOG_STATS 4 /* BPF_LOG_STATS of the kernel: totals only */
#define LOG_SIZE  4096

/* The rest of the log's line that begins with the given words. */
static const char *log_line(char *log, const char *words)
{
	char *at = strstr(log, words);

	if (!at)
		return "-";
	at += strlen(words);
	at[strcspn(at, " \n")] = '\0';
	return at;
}

static int print_program(struct bpf_program *program, char *log)
{
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length)) {
		fprintf(stderr, "stats: cannot ask for program %s\n", bpf_program__name(program));
		return 1;
	}
	printf("%-16s %12u %12u %12u %8s\n", bpf_program__name(program), info.xlated_prog_len / 8,
	       info.verified_insns, info.jited_prog_len, log_line(log, "stack depth "));
	return 0;
}

static int print_object(const char *path)
{
	struct bpf_object *object = bpf_object__open(path);
	struct bpf_program *program;
	char *logs = NULL;
	int result = 1;
	size_t n = 0;

	if (!object) {
		fprintf(stderr, "stats: cannot open %s\n", path);
		return 1;
	}
	bpf_object__for_each_program(program, object) n++;
	logs = calloc(n, LOG_SIZE);
	if (!logs)
		goto cleanup;
	n = 0;
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, logs + n++ * LOG_SIZE, LOG_SIZE);
	}
	if (bpf_object__load(object)) {
		fprintf(stderr, "stats: cannot load %s\n", path);
		goto cleanup;
	}
	result = 0;
	n = 0;
	bpf_object__for_each_program(program, object) result |=
		print_program(program, logs + n++ * LOG_SIZE);
cleanup:
	free(logs);
	bpf_object__close(object);
	return result;
}

int main(int argc, char **argv)
{
	int result = 0;

	printf("%-16s %12s %12s %12s %8s\n", "program", "instructions", "verified", "jited",
	       "stack");
	for (int i = 1; i < argc; i++)
		result |= print_object(argv[i]);
	return result;
}
