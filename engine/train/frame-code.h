/* SPDX-License-Identifier: Apache-2.0
 * A start for temporal attention that makes every token know which frame it belongs to. */
#pragma once
#include "engine/model/stdit.h"
#include "engine/train/parameters.h"

enum { FW_FRAME_CODE_MOST = 256 }; /* positions of frames that a code can tell apart */

/* Gives one head of the first block's temporal attention to a code of the frame's position, of about @strength (root mean
 * square over the stream's channels), for @positions positions 0, 1, ... (2 to FW_FRAME_CODE_MOST) of the temporal table.
 *
 * STDiT adds the temporal table to one branch's input, never to the stream (opensora-1.0 3), and behind that branch stands a
 * gate that is small: what reaches the stream is a few per cent of it. Words that mean something else in each frame ("moving
 * left") need products of word and frame, which then are too faint to be found. The gate of block 0 is opened to 1 at timestep
 * 800, where motion is decided, and what was learned behind it is scaled down by as much; the head's previous content is lost. */
void fw_frame_code (const FwParameters *parameters, const FwStditConfig *config, int positions, double strength, guint64 seed,
                    float *flat);
