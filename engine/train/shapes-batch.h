/* SPDX-License-Identifier: Apache-2.0
 * Batches of the shapes world: pictures for networks and captions as tokens. */
#pragma once
#include "engine/dataset/shapes.h"
#include "engine/exec/pool.h"
#include "engine/text/t5-tokenizer.h"
#include "engine/train/recipe.h"

/* Renders @row's batch, samples @first on of @seed, as @images[batch * frames, size, size, 3] in [-1, 1]. One frame is a random
 * moment. @scenes[batch] receives what was drawn. Uses all workers of @pool. */
void fw_shapes_batch_render (const FwTrainRow *row, guint64 seed, guint64 first, FwPool *pool, FwShapesScene *scenes, float *images);

/* The captions of @scenes as @ids[batch, length] and @mask[batch, length], in the row's wording. */
gboolean fw_shapes_batch_captions (const FwTrainRow *row, const FwShapesScene *scenes, FwT5Tokenizer *tokenizer, gsize length,
                                   gint32 *ids, guint8 *mask, GError **error);
