/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

static const struct {
	unsigned int allowed; /* any of these; 0: always */
	struct option option;
} flags[] = {
	{0, {"run-dir", required_argument, NULL, 'r'}},
	{OPTIONS_JSON, {"json", no_argument, NULL, 'j'}},
	{OPTIONS_MAPS, {"maps", no_argument, NULL, 'm'}},
	{OPTIONS_MAPS | OPTIONS_BPFFS, {"bpffs", required_argument, NULL, 'b'}},
	{OPTIONS_LIMIT, {"limit", required_argument, NULL, 'l'}},
	{OPTIONS_FORCE, {"force", no_argument, NULL, 'f'}},
};
#define N_FLAGS (sizeof(flags) / sizeof(*flags))

static int parse_limit(const char *text, unsigned int *limit, struct skep_error *error)
{
	unsigned long value;

	/* strtoul() takes signs and spaces, we do not. */
	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 9)
		value = 0;
	else
		value = strtoul(text, NULL, 10);
	if (value < 1 || value > OPTIONS_LIMIT_MAX)
		return error_set(error, -EINVAL, "--limit is a number from 1 to %u, not %s",
				 OPTIONS_LIMIT_MAX, *text ? text : "empty");
	*limit = (unsigned int)value;
	return 0;
}

static int parse_directory(const char *flag, const char *text, const char **directory,
			   struct skep_error *error)
{
	if (*text != '/')
		return error_set(error, -EINVAL, "%s is an absolute path, not %s", flag,
				 *text ? text : "empty");
	*directory = text;
	return 0;
}

int options_parse(struct options *options, unsigned int allowed, int argc, char **argv,
		  struct skep_error *error)
{
	struct option taken[N_FLAGS + 1];
	size_t n = 0;
	bool bpffs = false;
	int flag, err = 0;

	*options = (struct options){
		.run_dir = CONFIG_RUN_DIR,
		.bpffs = CONFIG_BPFFS,
		.limit = OPTIONS_LIMIT_DEFAULT,
	};
	for (size_t i = 0; i < N_FLAGS; i++)
		if (!flags[i].allowed || (flags[i].allowed & allowed))
			taken[n++] = flags[i].option;
	taken[n] = (struct option){0};

	optind = 0; /* glibc: start afresh, not where an earlier call ended */
	opterr = 0;
	while (!err && (flag = getopt_long(argc, argv, ":", taken, NULL)) != -1) {
		switch (flag) {
		case 'r':
			err = parse_directory("--run-dir", optarg, &options->run_dir, error);
			break;
		case 'b':
			err = parse_directory("--bpffs", optarg, &options->bpffs, error);
			bpffs = true;
			break;
		case 'l':
			err = parse_limit(optarg, &options->limit, error);
			break;
		case 'j':
			options->json = true;
			break;
		case 'm':
			options->maps = true;
			break;
		case 'f':
			options->force = true;
			break;
		case ':':
			err = error_set(error, -EINVAL, "%s needs a value", argv[optind - 1]);
			break;
		default:
			err = error_set(error, -EINVAL, "%s does not take %s; see skep help %s",
					argv[0], argv[optind - 1], argv[0]);
		}
	}
	if (err)
		return err;
	if (bpffs && !options->maps && !(allowed & OPTIONS_BPFFS))
		return error_set(error, -EINVAL,
				 "--bpffs says where the maps are: it goes with --maps");
	if (optind < argc && (allowed & OPTIONS_NAME))
		options->name = argv[optind++];
	if (optind < argc)
		return error_set(error, -EINVAL,
				 "%s does not take the argument %s; see skep help %s", argv[0],
				 argv[optind], argv[0]);
	return 0;
}
