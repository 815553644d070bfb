// SPDX-License-Identifier: GPL-2.0-only
#ifndef __CHECKER__
#include "svm/svm_priv.h"

#define CREATE_TRACE_POINTS
#include "svm/svm_trace.h"
#endif
