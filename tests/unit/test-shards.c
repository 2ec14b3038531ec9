/* SPDX-License-Identifier: Apache-2.0
 * Weights written whole or in shards: a reader of their folder finds those that were written last, or, where writing failed, the
 * ones before or none, and never a mixture. */
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/safetensors-write.h"
#include "engine/train/parameters.h"

#include <glib/gstdio.h>
#include <string.h>

enum { N_ENTRIES = 3, N_VALUES = 10, ALL = 120, TWO = 80, ONE = 40 }; /* bytes of so many entries as they are stored */

typedef struct {
  gint64 values[N_ENTRIES][N_VALUES];
  FwSafetensorsEntry entries[N_ENTRIES];
} Weights;

typedef struct {
  char *path;
  Weights weights;
} Folder;

static const char *const names[] = { "first", "second", "third" };

static void
set_up (Folder *folder, gconstpointer data)
{
  const gint64 dim[] = { N_VALUES };
  folder->path = g_dir_make_tmp ("shards-XXXXXX", NULL);
  g_assert_nonnull (folder->path);
  for (int i = 0; i < N_ENTRIES; i++)
    folder->weights.entries[i] = (FwSafetensorsEntry) { names[i], fw_tensor_dense (folder->weights.values[i], FW_DTYPE_I64, 1, dim),
                                                        FW_DTYPE_I32 };
}

/* What is in the folder, in order. */
static char *
list (const Folder *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder->path, 0, NULL);
  g_autoptr (GList) found = NULL;
  GString *text = g_string_new (NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    found = g_list_insert_sorted (found, (gpointer) g_intern_string (name), (GCompareFunc) strcmp);
  for (GList *at = found; at != NULL; at = at->next)
    g_string_append_printf (text, "%s%s", at == found ? "" : " ", (const char *) at->data);
  return g_string_free (text, FALSE);
}

static void
tear_down (Folder *folder, gconstpointer data)
{
  g_autofree char *listed = list (folder);
  g_auto (GStrv) left = g_strsplit (listed, " ", -1);
  for (char **name = left; *name != NULL; name++) {
    g_autofree char *path = g_build_filename (folder->path, *name, NULL);
    g_remove (path);
  }
  g_rmdir (folder->path);
  g_free (folder->path);
}

static void
number (Weights *weights, int start)
{
  for (int i = 0; i < N_ENTRIES; i++)
    for (int j = 0; j < N_VALUES; j++)
      weights->values[i][j] = start + N_VALUES * i + j;
}

static char **
write_weights (const Folder *folder, guint64 limit, GError **error)
{
  return fw_safetensors_write_shards (folder->path, "model", folder->weights.entries, N_ENTRIES, limit, error);
}

/* The folder's checkpoint holds what number() gave from @start; its layout is @layout. */
static void
assert_read (const Folder *folder, int start, const char *layout)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (folder->path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (fw_checkpoint_layout (checkpoint), ==, layout);
  g_assert_cmpuint (fw_checkpoint_count (checkpoint), ==, N_ENTRIES);
  for (int i = 0; i < N_ENTRIES; i++) {
    gint64 back[N_VALUES];
    const FwCheckpointTensor *tensor = fw_checkpoint_find (checkpoint, names[i]);
    g_assert_nonnull (tensor);
    g_assert_true (tensor->rank == 1 && tensor->dim[0] == N_VALUES && tensor->dtype == FW_DTYPE_I32);
    g_assert_true (fw_checkpoint_read (checkpoint, tensor, FW_DTYPE_I64, back, &error));
    for (int j = 0; j < N_VALUES; j++)
      g_assert_cmpint (back[j], ==, start + N_VALUES * i + j);
  }
}

#define PAIR "model-00001-of-00002.safetensors model-00002-of-00002.safetensors"
#define THREE "model-00001-of-00003.safetensors model-00002-of-00003.safetensors model-00003-of-00003.safetensors"
#define INDEX "model.safetensors.index.json"

/* A tensor is never cut, and nothing of an earlier form is left. */
static void
test_forms (Folder *folder, gconstpointer data)
{
  static const struct { guint64 limit; const char *files, *layout; } rows[] = {
    { ALL, "model.safetensors", "safetensors" },
    { ALL - 1, PAIR " " INDEX, "safetensors, 2 shards" },
    { TWO, PAIR " " INDEX, "safetensors, 2 shards" },
    { TWO - 1, THREE " " INDEX, "safetensors, 3 shards" },
    { 7, THREE " " INDEX, "safetensors, 3 shards" },
    { ONE + 1, THREE " " INDEX, "safetensors, 3 shards" },
    { TWO, PAIR " " INDEX, "safetensors, 2 shards" },
    { G_MAXUINT64, "model.safetensors", "safetensors" },
  };
  for (int row = 0; row < (int) G_N_ELEMENTS (rows); row++) {
    g_autoptr (GError) error = NULL;
    number (&folder->weights, 1000 * row);
    g_auto (GStrv) files = write_weights (folder, rows[row].limit, &error);
    g_assert_no_error (error);
    g_autofree char *joined = g_strjoinv (" ", files), *listed = list (folder);
    g_assert_cmpstr (joined, ==, rows[row].files);
    g_assert_cmpstr (listed, ==, rows[row].files);
    assert_read (folder, 1000 * row, rows[row].layout);
  }
}

/* The index as other libraries read it. */
static void
test_index (Folder *folder, gconstpointer data)
{
  g_autofree char *path = g_build_filename (folder->path, INDEX, NULL), *text = NULL;
  g_auto (GStrv) files = write_weights (folder, TWO, NULL);
  g_assert_nonnull (files);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) words = g_strsplit_set (text, " \n", -1);
  g_autofree char *dense = g_strjoinv ("", words);
  g_assert_cmpstr (dense, ==, "{\"metadata\":{\"total_size\":120},\"weight_map\":{"
                   "\"first\":\"model-00001-of-00002.safetensors\",\"second\":\"model-00001-of-00002.safetensors\","
                   "\"third\":\"model-00002-of-00002.safetensors\"}}");
}

/* The last shard cannot be written when the others have been. */
static void
test_failures (Folder *folder, gconstpointer data)
{
  static const struct { guint64 before, now; const char *layout; } rows[] = {
    { ALL, ALL, "safetensors" }, { ALL, TWO, "safetensors" }, { ALL, ONE, "safetensors" },
    { TWO, ALL, "safetensors, 2 shards" }, { TWO, ONE, "safetensors, 2 shards" }, { TWO, TWO, NULL }, { ONE, ONE, NULL },
  };
  for (int row = 0; row < (int) G_N_ELEMENTS (rows); row++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *listed = NULL;
    number (&folder->weights, 1000);
    g_auto (GStrv) before = write_weights (folder, rows[row].before, &error);
    g_assert_nonnull (before);
    number (&folder->weights, 2000);
    folder->weights.values[N_ENTRIES - 1][N_VALUES - 1] = G_MAXINT64; /* is no i32 */
    g_assert_null (write_weights (folder, rows[row].now, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
    g_clear_error (&error);
    if (rows[row].layout != NULL) {
      assert_read (folder, 1000, rows[row].layout);
    } else {
      g_assert_null (fw_checkpoint_open (folder->path, &error));
      g_assert_nonnull (strstr (error->message, "no index"));
      g_clear_error (&error);
    }
    number (&folder->weights, 3000);
    g_auto (GStrv) mended = write_weights (folder, ALL, &error);
    g_assert_nonnull (mended);
    assert_read (folder, 3000, "safetensors");
    listed = list (folder);
    g_assert_cmpstr (listed, ==, "model.safetensors");
  }
}

/* What is refused is refused before anything is written, whichever shard it would have been in. */
static void
test_refusals (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *nothing = NULL, *single = g_build_filename (folder->path, "model.safetensors", NULL);
  folder->weights.entries[2].name = "first";
  g_assert_null (write_weights (folder, ONE, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_INVALID);
  g_clear_error (&error);
  nothing = list (folder);
  g_assert_cmpstr (nothing, ==, "");
  folder->weights.entries[2].name = "third";

  /* what the reader would prefer to the shards cannot be removed */
  g_assert_cmpint (g_mkdir (single, 0700), ==, 0);
  g_assert_null (write_weights (folder, ONE, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_assert_nonnull (strstr (error->message, single));
}

static void
record (FwGraph *graph, gpointer data)
{
  static const char *const kept[] = { "a", "b", "c" };
  for (int i = 0; i < N_ENTRIES; i++)
    fw_keep (graph, kept[i], fw_weight (graph, names[i], 1, (gint64[]) { N_VALUES }));
}

/* A stage of a training that begins again where an earlier run, or a copied one, left shards. */
static void
test_parameters (Folder *folder, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwParameters) parameters = fw_parameters_new (record, NULL, &error);
  g_assert_no_error (error);
  g_autofree float *flat = g_new0 (float, fw_parameters_size (parameters)), *back = g_new0 (float, fw_parameters_size (parameters));
  g_autofree char *listed = NULL;
  g_auto (GStrv) shards = write_weights (folder, ONE, &error);
  g_assert_cmpuint (g_strv_length (shards), ==, N_ENTRIES + 1);
  for (guint i = 0; i < N_ENTRIES; i++)
    for (int j = 0; j < N_VALUES; j++)
      flat[fw_parameters_get (parameters, i)->offset + j] = (float) (i * N_VALUES + j + 1);
  g_assert_true (fw_parameters_write (parameters, flat, FW_DTYPE_F32, NULL, 0, folder->path, "model", &error));
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (folder->path, &error);
  g_assert_no_error (error);
  g_assert_true (fw_parameters_read (parameters, checkpoint, NULL, back, NULL, &error));
  gsize size = (gsize) fw_parameters_size (parameters) * sizeof *flat;
  g_assert_cmpmem (back, size, flat, size);
  listed = list (folder);
  g_assert_cmpstr (listed, ==, "model.safetensors");
}

int
main (int argc, char **argv)
{
  static const struct { const char *path; void (*test) (Folder *folder, gconstpointer data); } tests[] = {
    { "/shards/forms", test_forms }, { "/shards/index", test_index }, { "/shards/failures", test_failures },
    { "/shards/refusals", test_refusals }, { "/shards/parameters", test_parameters },
  };
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Folder, NULL, set_up, tests[i].test, tear_down);
  return g_test_run ();
}
