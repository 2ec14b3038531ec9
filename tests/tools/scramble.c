/* SPDX-License-Identifier: Apache-2.0
 * scramble MODEL-DIR FILE: replaces every weight of one file of a model by noise of its tensor's mean and deviation, and
 * takes the digests out of the card, which would tell. */
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/safetensors-write.h"
#include "engine/memory/file.h"
#include "engine/sample/noise.h"

static void
redraw (float *values, gint64 count, FwNoise *noise)
{
  double sum = 0, squares = 0;
  for (gint64 i = 0; i < count; i++) {
    sum += values[i];
    squares += (double) values[i] * values[i];
  }
  double mean = sum / (double) count, deviation = sqrt (MAX (squares / (double) count - mean * mean, 0));
  fw_noise_randn (noise, values, (gsize) count);
  for (gint64 i = 0; i < count; i++)
    values[i] = (float) (mean + deviation * values[i]);
}

static gboolean
scramble (const char *path, GError **error)
{
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
  if (checkpoint == NULL)
    return FALSE;
  guint count = fw_checkpoint_count (checkpoint);
  g_autofree FwSafetensorsEntry *entries = g_new0 (FwSafetensorsEntry, count);
  g_autoptr (GPtrArray) arrays = g_ptr_array_new_with_free_func (g_free);
  FwNoise noise;
  fw_noise_seed (&noise, 0);
  for (guint i = 0; i < count; i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    gint64 size = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
      size *= tensor->dim[axis];
    float *values = g_new (float, MAX (size, 1));
    g_ptr_array_add (arrays, values);
    if (!fw_checkpoint_read (checkpoint, tensor, FW_DTYPE_F32, values, error))
      return FALSE;
    redraw (values, size, &noise);
    entries[i] = (FwSafetensorsEntry) { tensor->name, fw_tensor_dense (values, FW_DTYPE_F32, tensor->rank, tensor->dim), tensor->dtype };
  }
  return fw_safetensors_write (path, entries, count, NULL, error);
}

static gboolean
forget_digests (const char *card, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  if (!json_parser_load_from_file (parser, card, error))
    return FALSE;
  json_object_remove_member (json_node_get_object (json_parser_get_root (parser)), "sha256");
  g_autofree char *text = json_to_string (json_parser_get_root (parser), TRUE);
  return fw_file_write (card, text, strlen (text), error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (argc != 3) {
    fprintf (stderr, "usage: scramble MODEL-DIR FILE\n");
    return 2;
  }
  g_autofree char *file = g_build_filename (argv[1], argv[2], NULL), *card = g_build_filename (argv[1], "model.json", NULL);
  if (scramble (file, &error) && forget_digests (card, &error))
    return 0;
  fprintf (stderr, "scramble: %s\n", error->message);
  return 1;
}
