/* SPDX-License-Identifier: Apache-2.0
 * The recipe a clip carries, as text. */
#pragma once
#include "engine/memory/error.h"

/* The recipe of the clip or folder @path, or what is in the file where @path is a .json itself: the text that was given when
 * the clip was written, at most 1 MiB, not parsed yet. The comment inside the clip comes first, since it travels with the
 * clip; then the file beside it. Free with g_free(). */
char *fw_clip_recipe (const char *path, GCancellable *cancellable, GError **error);
