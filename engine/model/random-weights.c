/* SPDX-License-Identifier: Apache-2.0
 * Random weights: names and shapes are collected while recording, numbers drawn when they are bound. */
#include "engine/model/random-weights.h"

#include <math.h>
#include <string.h>

#include "engine/memory/block.h"

typedef struct {
  char *name;
  gint64 count;
  double scale;
  gpointer block;
} Tensor;

struct _FwRandomWeights {
  FwWeightSource source;
  FwDtype dtype;
  GArray *tensors;
  guint64 state;
};

/* A prime, so that no row of a matrix begins where another does. */
enum { PERIOD = 65521 };

/* The sum of four uniform numbers is normal enough, and quick for gigabytes (splitmix64, 16 bits each). */
static double
draw (guint64 *state)
{
  guint64 x = *state += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  double sum = (double) (x & 0xffff) + (double) (x >> 16 & 0xffff) + (double) (x >> 32 & 0xffff) + (double) (x >> 48);
  return (sum / 65535 - 2) * sqrt (3);
}

static FwVal
get (FwWeightSource *source, FwGraph *graph, const char *name, int rank, const gint64 *dim)
{
  FwRandomWeights *weights = (FwRandomWeights *) source;
  FwVal val = fw_external (graph, name, weights->dtype, rank, dim);
  double fan_in = 1;
  for (int i = 1; i < rank; i++)
    fan_in *= (double) dim[i];
  if (val.id == 0)
    return val;
  Tensor tensor = { g_strdup (name), fw_tensor_count (fw_layout (graph, val)), rank > 1 ? 1 / sqrt (fan_in) : 0.02, NULL };
  g_array_append_val (weights->tensors, tensor);
  fw_steady (graph, val);
  return val;
}

FwRandomWeights *
fw_random_weights_new (FwDtype dtype)
{
  FwRandomWeights *weights = g_new0 (FwRandomWeights, 1);
  weights->source.get = get;
  weights->dtype = dtype;
  weights->tensors = g_array_new (FALSE, FALSE, sizeof (Tensor));
  return weights;
}

void
fw_random_weights_free (FwRandomWeights *weights)
{
  if (weights == NULL)
    return;
  for (guint i = 0; i < weights->tensors->len; i++) {
    Tensor *tensor = &g_array_index (weights->tensors, Tensor, i);
    fw_block_free (tensor->block, (gsize) tensor->count * fw_dtype_size (weights->dtype));
    g_free (tensor->name);
  }
  g_array_unref (weights->tensors);
  g_free (weights);
}

FwWeightSource *
fw_random_weights_source (FwRandomWeights *weights)
{
  return &weights->source;
}

static void
fill (FwRandomWeights *weights, const Tensor *tensor)
{
  gint64 drawn = MIN (tensor->count, PERIOD), size = (gint64) fw_dtype_size (weights->dtype);
  for (gint64 i = 0; i < drawn; i++)
    fw_store_element (tensor->block, weights->dtype, i, tensor->scale * draw (&weights->state));
  for (gint64 at = drawn; at < tensor->count; at += PERIOD)
    memcpy ((char *) tensor->block + at * size, tensor->block, (gsize) (MIN (PERIOD, tensor->count - at) * size));
}

gboolean
fw_random_weights_bind (FwRandomWeights *weights, FwExec *exec, GCancellable *cancellable, FwExecProgress progress,
                        gpointer user_data, GError **error)
{
  gsize done = 0;
  for (guint i = 0; i < weights->tensors->len; i++) {
    Tensor *tensor = &g_array_index (weights->tensors, Tensor, i);
    gsize bytes = (gsize) tensor->count * fw_dtype_size (weights->dtype);
    if (g_cancellable_is_cancelled (cancellable)) {
      g_set_error_literal (error, FW_ERROR, FW_ERROR_CANCELLED, "Cancelled");
      return FALSE;
    }
    tensor->block = fw_block_new (bytes, "random weights", error);
    if (tensor->block == NULL)
      return FALSE;
    fill (weights, tensor);
    fw_exec_bind (exec, tensor->name, tensor->block);
    done += bytes;
    if (progress != NULL)
      progress (user_data, (double) done);
  }
  return TRUE;
}

gsize
fw_random_weights_bytes (const FwRandomWeights *weights)
{
  gsize bytes = 0;
  for (guint i = 0; i < weights->tensors->len; i++)
    bytes += (gsize) g_array_index (weights->tensors, Tensor, i).count * fw_dtype_size (weights->dtype);
  return bytes;
}
