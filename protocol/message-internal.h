/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "protocol/protocol.h"

/* message_decode() without a copy: frame[length] must be NUL, and the frame is overwritten. */
int message_decode_in_place(char *frame, size_t length, Message *ret, JsonProblem *problem);
