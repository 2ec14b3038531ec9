/* SPDX-License-Identifier: Apache-2.0
 * The train job: runs a recipe file to its end, or goes on where it was interrupted. */
#pragma once
#include "engine/job/event.h"

/* Trains by the recipe at @recipe_path with @overrides, NULL or "key=value" texts that replace recipe entries (dots enter
 * objects: "optimiser.rate=1e-3"). @resume continues the state the recipe names, bit for bit; without it, existing state
 * is an error unless @force. Blocks the calling thread; errors as fw_generate(). */
gboolean fw_train (const char *recipe_path, const char *const *overrides, gboolean resume, gboolean force,
                   const FwJobEvents *events, GCancellable *cancellable, GError **error);
