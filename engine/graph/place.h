/* SPDX-License-Identifier: Apache-2.0
 * Placement of results: a tensor that is only made to become a part of a concatenation is written there at once. */
#pragma once
#include "engine/graph/graph.h"

/* Gives parts of concatenations storage inside the whole and removes the copies; where all parts could be placed the
 * concatenation itself disappears. Strided q, k and v gradients and flat gradient buffers come about this way. */
void fw_place_parts (FwGraph *graph);
