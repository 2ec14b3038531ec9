/* SPDX-License-Identifier: Apache-2.0
 * Drawing batches of the shapes world. */
#include "engine/train/shapes-batch.h"

#include <string.h>

typedef struct {
  const FwTrainRow *row;
  guint64 seed, first;
  FwShapesScene *scenes;
  float *images;
} Batch;

/* Bytes are rendered to the end of a frame's floats and spread forwards over them: each byte is read before its place is written. */
static void
spread (float *frame, gsize count)
{
  const guint8 *bytes = (const guint8 *) frame + count * (sizeof (float) - 1);
  for (gsize i = 0; i < count; i++)
    frame[i] = (float) bytes[i] * (2 / 255.0f) - 1;
}

static void
render (void *context, int64_t begin, int64_t end, int worker)
{
  const Batch *batch = context;
  const FwTrainRow *row = batch->row;
  gsize count = (gsize) row->size * row->size * 3;
  for (int64_t item = begin; item < end; item++) {
    int64_t sample = item / row->frames, t = item % row->frames;
    FwShapesScene scene;
    fw_shapes_draw (batch->seed, batch->first + sample, FW_SHAPES_TRAINED, &scene);
    if (t == 0)
      batch->scenes[sample] = scene;
    float *frame = batch->images + (gsize) item * count;
    double time = row->frames == 1 ? scene.moment : (double) t / (row->frames - 1);
    fw_shapes_render (&scene, time, row->size, (guint8 *) frame + count * (sizeof (float) - 1));
    spread (frame, count);
  }
}

void
fw_shapes_batch_render (const FwTrainRow *row, guint64 seed, guint64 first, FwPool *pool, FwShapesScene *scenes, float *images)
{
  Batch batch = { row, seed, first, scenes, images };
  FwParallel *parallel = fw_pool_parallel (pool);
  parallel->run (parallel, (int64_t) row->batch * row->frames, 1, render, &batch);
}

gboolean
fw_shapes_batch_captions (const FwTrainRow *row, const FwShapesScene *scenes, FwT5Tokenizer *tokenizer, gsize length,
                          gint32 *ids, guint8 *mask, GError **error)
{
  for (int i = 0; i < row->batch; i++) {
    g_autofree char *caption = fw_shapes_caption (&scenes[i].attributes, row->mixed ? scenes[i].wording : 0);
    g_autoptr (FwT5Tokens) tokens = fw_t5_tokenizer_encode (tokenizer, caption, length, error);
    if (tokens == NULL)
      return FALSE;
    memcpy (ids + i * length, tokens->ids, length * sizeof *ids);
    memcpy (mask + i * length, tokens->mask, length);
  }
  return TRUE;
}
