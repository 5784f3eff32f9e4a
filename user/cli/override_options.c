/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/override_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

#define SECONDS_MAX (10U * 365 * 86400)

int override_parse_number(const char *text, unsigned int least, unsigned int most,
			  unsigned int *number)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (!digits || digits > 9 || text[digits])
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value < least || value > most)
		return -EINVAL;
	*number = (unsigned int)value;
	return 0;
}

int override_parse_duration(const char *text, unsigned int *seconds)
{
	static const struct {
		char letter;
		unsigned int seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (!digits || digits > 9 || strlen(text) != digits + 1)
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (text[digits] != units[i].letter)
			continue;
		if (!value || value > SECONDS_MAX / units[i].seconds)
			return -EINVAL;
		*seconds = (unsigned int)value * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

static int take_flag(struct override_options *options, int flag, bool lasts,
		     struct skep_error *error)
{
	switch (flag) {
	case 'r':
		if (*optarg != '/')
			return error_set(error, -EINVAL, "--run-dir is an absolute path, not %s",
					 *optarg ? optarg : "empty");
		options->run_dir = optarg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'c':
		options->cluster = true;
		return 0;
	case 'f':
		if (lasts && override_parse_duration(optarg, &options->seconds))
			return error_set(
				error, -EINVAL,
				"--for is a time like 30s, 10m, 2h or 1d, up to ten years, "
				"not %s",
				*optarg ? optarg : "empty");
		break;
	default:
		options->reason = optarg;
	}
	return lasts ? 0 : error_set(error, -EINVAL, "it takes no --for and no --reason");
}

int override_options_parse(struct override_options *options, unsigned int n, bool lasts, int argc,
			   char **argv, struct skep_error *error)
{
	static const struct option flags[] = {
		{"run-dir", required_argument, NULL, 'r'}, {"json", no_argument, NULL, 'j'},
		{"cluster", no_argument, NULL, 'c'},	   {"for", required_argument, NULL, 'f'},
		{"reason", required_argument, NULL, 'w'},  {0},
	};
	int flag, err = 0;

	*options = (struct override_options){.run_dir = CONFIG_RUN_DIR};
	optind = 0; /* glibc: start afresh, not where an earlier call ended */
	opterr = 0;
	while (!err && (flag = getopt_long(argc, argv, ":", flags, NULL)) != -1) {
		if (flag == ':')
			err = error_set(error, -EINVAL, "%s needs a value", argv[optind - 1]);
		else if (flag == '?')
			err = error_set(error, -EINVAL,
					"it does not take %s; see skep help override",
					argv[optind - 1]);
		else
			err = take_flag(options, flag, lasts, error);
	}
	if (err)
		return err;
	if (argc - optind != (int)n)
		return error_set(error, -EINVAL, "it takes %u argument%s, but got %d", n,
				 n == 1 ? "" : "s", argc - optind);
	options->arguments = argv + optind;
	return 0;
}
