/* SPDX-License-Identifier: Apache-2.0
 * The largest numbers, and the least side of a frame, that a clip may have, whether a command line, a recipe, a model card or a caller
 * asks for it: beyond them is a slip of the finger. What a model can take may be less. */
#pragma once

enum {
  FW_CLIP_MOST_FRAMES = 4096,
  FW_CLIP_LEAST_SIDE = 2,
  FW_CLIP_MOST_SIDE = 8192,
  FW_CLIP_MOST_FPS = 240,
  FW_CLIP_MOST_STEPS = 1000,
  FW_CLIP_MOST_GUIDANCE = 100,
};
