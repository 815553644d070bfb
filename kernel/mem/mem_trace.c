// SPDX-License-Identifier: GPL-2.0-only
#ifndef __CHECKER__
#include "mem/mem_priv.h"

#define CREATE_TRACE_POINTS
#include "mem/mem_trace.h"
#endif
