/* SPDX-License-Identifier: Apache-2.0
 * Training state: loaded exactly as it was saved, refused where it is damaged or another recipe's, and whole whatever happens while
 * it is replaced. */
#include "engine/graph/ops.h"
#include "engine/memory/buffers.h"
#include "engine/memory/file.h"
#include "engine/sample/noise.h"
#include "engine/train/state.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

enum { ARRAYS = FW_TRAINER_EMA + 1 };

typedef struct {
  FwTrainRecipe *recipe;
  FwDevice *device;
  FwTrainContext context;
  const FwTrainStage *stage;
  FwTrainer *trainer;
  char *state_folder, *path;
} Fixture;

/* The mean square of a linear map: enough to have weights. */
static FwVal
record (FwGraph *graph, guint variant, gpointer data)
{
  gint64 width = *(const gint64 *) data;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 2, (gint64[]) { 3, width });
  FwVal y = fw_linear (graph, x, fw_weight (graph, "w", 2, (gint64[]) { 5, width }), FW_NONE);
  return fw_reshape_to (graph, fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, y), 3), 1);
}

static FwTrainer *
new_trainer (FwDevice *device, gint64 width)
{
  g_autoptr (GError) error = NULL;
  const FwTrainerSettings settings = { .variants = 1, .compute = FW_DTYPE_F32, .adamw = { 0.9, 0.99, 1e-8, 0 } };
  FwTrainer *trainer = fw_trainer_new (record, &width, &settings, device, &error);
  g_assert_no_error (error);
  return trainer;
}

static gsize
bytes_of (FwTrainer *trainer)
{
  return (gsize) fw_parameters_size (fw_trainer_parameters (trainer)) * sizeof (float);
}

/* Numbers of every kind that floats have. */
static void
fill (FwTrainer *trainer, guint64 seed)
{
  FwNoise noise;
  fw_noise_seed (&noise, seed);
  for (guint i = 0; i < ARRAYS; i++)
    fw_noise_randn (&noise, fw_trainer_array (trainer, i), bytes_of (trainer) / sizeof (float));
  float *mean = fw_trainer_array (trainer, FW_TRAINER_MEAN);
  mean[0] = 1e-42f;
  mean[1] = -0.0f;
  mean[2] = 3.4e38f;
}

static FwTrainRecipe *
read_recipe (const char *override)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "recipes", "tiny.json", NULL);
  FwTrainRecipe *recipe = fw_train_recipe_read (path, (const char *const[]) { override, NULL }, NULL);
  g_assert_nonnull (recipe);
  return recipe;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->recipe = read_recipe (NULL);
  f->device = fw_device_new_cpu ("ref", 1, NULL);
  f->context = (FwTrainContext) { .recipe = f->recipe, .folder = g_dir_make_tmp ("framewright-XXXXXX", NULL),
                                  .device = f->device };
  f->stage = fw_train_recipe_stage (f->recipe, "images");
  f->trainer = new_trainer (f->device, 7);
  f->state_folder = g_build_filename (f->context.folder, "state", NULL);
  f->path = g_build_filename (f->state_folder, "images.safetensors", NULL);
  g_assert_cmpint (g_mkdir (f->state_folder, 0755), ==, 0);
  fill (f->trainer, 1);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_unlink (f->path);
  g_rmdir (f->state_folder);
  g_assert_cmpint (g_rmdir (f->context.folder), ==, 0); /* nothing is left over */
  g_free (f->state_folder);
  g_free (f->path);
  g_free (f->context.folder);
  fw_trainer_free (f->trainer);
  fw_train_recipe_free (f->recipe);
  fw_device_free (f->device);
}

static const FwTrainProgress progress = { .step = 41, .seconds = 12.345678901234567, .loss = 0.1, .norm = 1 / 3.0, .summed = 4 };

static void
save (const Fixture *f)
{
  g_autoptr (GError) error = NULL;
  fw_train_state_save (&f->context, f->stage, f->trainer, &progress, &error);
  g_assert_no_error (error);
}

static void
assert_same (FwTrainer *one, FwTrainer *other)
{
  for (guint i = 0; i < ARRAYS; i++)
    g_assert_cmpmem (fw_trainer_array (one, i), bytes_of (one), fw_trainer_array (other, i), bytes_of (other));
}

static void
test_exact (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwTrainer) other = new_trainer (f->device, 7);
  FwTrainProgress found;
  save (f);
  g_assert_true (fw_train_state_exists (&f->context, f->stage));
  g_assert_true (fw_train_state_load (&f->context, f->stage, other, &found, &error));
  assert_same (f->trainer, other);
  g_assert_cmpint (found.step, ==, progress.step);
  g_assert_cmpint (found.summed, ==, progress.summed);
  g_assert_true (found.seconds == progress.seconds && found.loss == progress.loss && found.norm == progress.norm);
  fw_train_state_remove (&f->context, f->stage);
  g_assert_false (fw_train_state_exists (&f->context, f->stage));
}

static void
test_none (Fixture *f, gconstpointer data)
{
  g_autoptr (FwTrainer) copy = new_trainer (f->device, 7);
  FwTrainProgress found = progress;
  fill (copy, 1);
  g_assert_true (fw_train_state_load (&f->context, f->stage, f->trainer, &found, NULL));
  g_assert_cmpint (found.step, ==, 0);
  g_assert_cmpint (found.summed, ==, 0);
  assert_same (f->trainer, copy);
}

/* Loading must fail with @code and leave the weights alone. */
static void
assert_refused (Fixture *f, FwTrainer *trainer, FwErrorCode code, const char *sentence)
{
  g_autoptr (GError) error = NULL;
  FwTrainProgress found;
  g_assert_false (fw_train_state_load (&f->context, f->stage, trainer, &found, &error));
  g_assert_error (error, FW_ERROR, (int) code);
  if (strstr (error->message, sentence) == NULL || strchr (error->message, '\n') != NULL)
    g_error ("%s", error->message);
}

static void
test_other_recipe (Fixture *f, gconstpointer data)
{
  save (f);
  FwTrainRecipe *own = f->recipe;
  g_autoptr (FwTrainRecipe) longer = read_recipe ("stages.images.steps=61"), seeded = read_recipe ("seed=8");
  const FwTrainRecipe *const others[] = { longer, seeded };
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    f->context.recipe = others[i];
    f->stage = fw_train_recipe_stage (others[i], "images");
    assert_refused (f, f->trainer, FW_ERROR_INVALID, "another recipe");
    assert_refused (f, NULL, FW_ERROR_INVALID, "another recipe");
  }
  f->context.recipe = own;
  f->stage = fw_train_recipe_stage (own, "images");
}

static void
test_other_network (Fixture *f, gconstpointer data)
{
  g_autoptr (FwTrainer) wider = new_trainer (f->device, 70);
  save (f);
  assert_refused (f, wider, FW_ERROR_FORMAT, "damaged");
}

static void
test_damaged (Fixture *f, gconstpointer data)
{
  gsize size;
  save (f);
  g_autofree char *sound = fw_file_read (f->path, 1 << 20, &size, NULL);
  g_autoptr (FwTrainer) other = new_trainer (f->device, 7);
  for (gsize length = 0; length < size; length += 1 + length / 8) {
    g_assert_true (g_file_set_contents (f->path, sound, (gssize) length, NULL));
    assert_refused (f, other, FW_ERROR_FORMAT, "--force starts over");
  }
  static const struct { const char *part, *by; } changes[] = {
    { "\"step\":\"41\"", "\"step\":\"-1\"" }, { "\"step\":\"41\"", "\"step\":\"61\"" },
    { "\"step\":\"41\"", "\"step\":\"4x\"" }, { "\"step\":\"41\"", "\"stop\":\"41\"" },
    { "\"recipe\"", "\"recept\"" }, { "\"variance\"", "\"variants\"" },
    { "\"mean\":{\"dtype\":\"F32\"", "\"mean\":{\"dtype\":\"F64\"" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
    g_autofree char *damaged = g_memdup2 (sound, size);
    char *at = memmem (damaged, size, changes[i].part, strlen (changes[i].part));
    g_assert_nonnull (at);
    memcpy (at, changes[i].by, strlen (changes[i].by));
    g_assert_true (g_file_set_contents (f->path, damaged, (gssize) size, NULL));
    assert_refused (f, other, FW_ERROR_FORMAT, "--force starts over");
  }
}

/* The sums of the log are not worth losing weights for. */
static void
test_damaged_sums (Fixture *f, gconstpointer data)
{
  gsize size;
  g_autoptr (GError) error = NULL;
  FwTrainProgress found;
  save (f);
  g_autofree char *text = fw_file_read (f->path, 1 << 20, &size, NULL);
  char *at = memmem (text, size, "12.345", 6);
  g_assert_nonnull (at);
  memcpy (at, "1e9999", 6);
  g_assert_true (g_file_set_contents (f->path, text, (gssize) size, NULL));
  g_assert_true (fw_train_state_load (&f->context, f->stage, f->trainer, &found, &error));
  g_assert_cmpint (found.step, ==, 41);
  g_assert_cmpfloat (found.seconds, ==, 0);
}

/* A save that fails leaves the state before. */
static void
test_failing (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gsize size, again;
  save (f);
  g_autofree char *sound = fw_file_read (f->path, 1 << 20, &size, NULL);
  g_autofree char *moved = g_strconcat (f->state_folder, "-moved", NULL);
  g_assert_cmpint (g_rename (f->state_folder, moved), ==, 0);
  g_assert_false (fw_train_state_save (&f->context, f->stage, f->trainer, &progress, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_assert_cmpint (g_rename (moved, f->state_folder), ==, 0);
  g_autofree char *after = fw_file_read (f->path, 1 << 20, &again, NULL);
  g_assert_cmpmem (sound, size, after, again);
}

/* Cancelled before, the state is written all the same, and is the same. */
static void
test_hurried (Fixture *f, gconstpointer data)
{
  gsize size, again;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  f->context.cancellable = cancellable;
  save (f);
  g_autofree char *slow = fw_file_read (f->path, 1 << 20, &size, NULL);
  g_cancellable_cancel (cancellable);
  fill (f->trainer, 2);
  save (f);
  fill (f->trainer, 1);
  save (f);
  g_autofree char *quick = fw_file_read (f->path, 1 << 20, &again, NULL);
  g_assert_cmpmem (slow, size, quick, again);
  f->context.cancellable = NULL;
}

/* A large file, cancelled at any part of it. */
static void
test_hurried_writer (void)
{
  enum { PARTS = 12, PART = 3 << 20 };
  g_autofree char *folder = g_dir_make_tmp ("framewright-XXXXXX", NULL), *path = g_build_filename (folder, "large", NULL);
  g_autofree guint8 *part = g_malloc (PART);
  for (int cancelled_at = 0; cancelled_at <= PARTS; cancelled_at += 4) {
    g_autoptr (GCancellable) hurry = g_cancellable_new ();
    FwFileWriter *writer = fw_file_writer_open (path, NULL);
    fw_file_writer_set_hurry (writer, hurry);
    for (int i = 0; i < PARTS; i++) {
      if (i == cancelled_at)
        g_cancellable_cancel (hurry);
      memset (part, i, PART);
      g_assert_true (fw_file_writer_append (writer, part, PART, NULL));
    }
    g_assert_true (fw_file_writer_commit (writer, NULL));
    g_autoptr (GMappedFile) file = fw_file_map (path, NULL);
    g_assert_cmpuint (g_mapped_file_get_length (file), ==, (gsize) PARTS * PART);
    for (int i = 0; i < PARTS; i++) {
      const char *content = g_mapped_file_get_contents (file) + (gsize) i * PART;
      g_assert_true (content[0] == i && content[PART - 1] == i && content[PART / 2] == i);
    }
  }
  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_buffers (void)
{
  FwBuffers buffers = { 0 };
  g_autoptr (GError) error = NULL;
  gsize before = fw_block_total ();
  char *one = fw_buffers_add (&buffers, 1000, 4, "a test", &error), *other = fw_buffers_add (&buffers, 1, 1, "a test", &error);
  g_assert_true (one != NULL && other != NULL && one[3999] == 0 && other[0] == 0);
  g_assert_cmpuint (fw_block_total (), ==, before + 4001);
  g_assert_null (fw_buffers_add (&buffers, G_MAXSIZE / 2, 4, "a test", &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_MEMORY);
  fw_buffers_clear (&buffers);
  g_assert_cmpuint (fw_block_total (), ==, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/train-state/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("exact", test_exact);
  ADD ("none", test_none);
  ADD ("other-recipe", test_other_recipe);
  ADD ("other-network", test_other_network);
  ADD ("damaged", test_damaged);
  ADD ("damaged-sums", test_damaged_sums);
  ADD ("failing", test_failing);
  ADD ("hurried", test_hurried);
  g_test_add_func ("/train-state/hurried-writer", test_hurried_writer);
  g_test_add_func ("/train-state/buffers", test_buffers);
  return g_test_run ();
}
