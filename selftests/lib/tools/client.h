/* SPDX-License-Identifier: GPL-2.0-only */
/* The test client's subcommands; what each does is told in client.c. They return the exit status.
 */
#ifndef SELFTESTS_CLIENT_H
#define SELFTESTS_CLIENT_H

int hits_main(int argc, char **argv);
int udp_hits_main(int argc, char **argv);
int serial_main(int argc, char **argv);
int hold_main(int argc, char **argv);
int download_main(int argc, char **argv);
int upload_main(int argc, char **argv);
int pair_main(int argc, char **argv);
int load_main(int argc, char **argv);
int bulk_main(int argc, char **argv);
int flood_main(int argc, char **argv);

#endif
