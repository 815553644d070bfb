/* SPDX-License-Identifier: MIT */
#ifndef VSVM_DEMO_H
#define VSVM_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include <vsvm.h>

/* The device may take so long for any one thing; the demonstration shall end */
#define DEMO_TIMEOUT	(60 * 1000000000ll)

struct demo {
	struct vsvm_device *dev;
	struct vsvm_vm *vm;
	/* files to checksum */
	char **files;
	int file_count;
};

/* A queue and a command buffer, made for one step: a step that fails spoils no other */
struct demo_work {
	struct vsvm_queue *queue;
	struct vsvm_cmds *cmds;
};

/* A line of a step, indented */
void demo_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, for what went wrong; always false */
bool demo_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Both complain by themselves */
bool demo_work_create(struct demo *demo, struct demo_work *work);
bool demo_work_run(struct demo_work *work);
void demo_work_destroy(struct demo_work *work);
uint64_t demo_now_ns(void);

/* The steps: true if what they show is so */
bool demo_device(struct demo *demo);
bool demo_files(struct demo *demo);
bool demo_list(struct demo *demo);
bool demo_vectors(struct demo *demo);
bool demo_move(struct demo *demo);
bool demo_gather(struct demo *demo);
bool demo_fork(struct demo *demo);
bool demo_attributes(struct demo *demo);
bool demo_bad_access(struct demo *demo);
bool demo_heap(struct demo *demo);

#endif
