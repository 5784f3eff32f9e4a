/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/quantity.h"

#include <inttypes.h>
#include <stdio.h>

const char *quantity_bytes(uint64_t bytes, char buffer[QUANTITY_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	uint64_t whole = bytes, tenths = 0;
	size_t unit = 0;

	while (whole >= 1024) {
		tenths = whole % 1024 * 10 / 1024;
		whole /= 1024;
		unit++;
	}
	if (unit && whole < 10)
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths,
			 units[unit]);
	else
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " %s", whole, units[unit]);
	return buffer;
}

const char *quantity_seconds(uint64_t s, char buffer[QUANTITY_SIZE])
{
	if (s < 60)
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " h %" PRIu64 " min", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " d %" PRIu64 " h", s / 86400,
			 s % 86400 / 3600);
	return buffer;
}

const char *quantity_duration(uint64_t ms, char buffer[QUANTITY_SIZE])
{
	if (ms >= 60000)
		return quantity_seconds(ms / 1000, buffer);
	if (ms < 1000)
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " ms", ms);
	else
		snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 ".%" PRIu64 " s", ms / 1000,
			 ms % 1000 / 100);
	return buffer;
}
