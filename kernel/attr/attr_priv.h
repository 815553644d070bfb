/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VSVM_ATTR_PRIV_H_
#define _VSVM_ATTR_PRIV_H_

struct ma_state;

/* tree.c; a test takes its place to fail */
int vsvm_attr_reserve(struct ma_state *mas, void *entry);

#endif
