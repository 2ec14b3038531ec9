/* SPDX-License-Identifier: Apache-2.0
 * Large allocations that fail, one after the other, and files that are whole or untouched. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/checkpoint/safetensors-write.h"
#include "engine/memory/block.h"
#include "engine/memory/file.h"
#include "engine/model/weights.h"
#include "engine/train/trainer.h"
#include "tests/unit/graph-run.h"

#define SHAPE(...) (int) G_N_ELEMENTS (((const gint64[]) { __VA_ARGS__ })), (const gint64[]) { __VA_ARGS__ }

/* --- blocks --- */

static void
test_block (void)
{
  static const gsize sizes[] = { 0, 1, 4096, (2 << 20) - 1, 2 << 20, (5 << 20) + 123 };
  gsize before = fw_block_total ();
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GError) error = NULL;
    guint8 *block = fw_block_new (sizes[i], "the test", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (fw_block_total (), ==, before + MAX (sizes[i], 1));
    g_assert_cmpuint (fw_block_peak (), >=, fw_block_total ());
    g_assert_cmpuint ((guintptr) block % (sizes[i] >= 2 << 20 ? 2 << 20 : 4096), ==, 0);
    for (gsize n = 0; n < sizes[i]; n += 4093)
      g_assert_cmpuint (block[n], ==, 0);
    memset (block, 7, sizes[i]); /* all of it may be written */
    fw_block_free (block, sizes[i]);
    g_assert_cmpuint (fw_block_total (), ==, before);
  }
  fw_block_free (NULL, 100);
  g_assert_cmpuint (fw_block_total (), ==, before);
}

static void
test_block_too_large (void)
{
  static const gsize sizes[] = { G_MAXSIZE, G_MAXSIZE - (1 << 20), G_MAXSIZE / 2 + 1, (gsize) 1 << 60 };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (fw_block_new (sizes[i], "a test of limits", &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_MEMORY);
    g_assert_nonnull (strstr (error->message, "a test of limits"));
    g_assert_null (strchr (error->message, '\n'));
  }
}

static void
test_block_faults (void)
{
  gsize before = fw_block_total ();
  fw_block_fail_after (3);
  for (int i = 1; i <= 5; i++) {
    g_autoptr (GError) error = NULL;
    gpointer block = fw_block_new (100, "the test", &error);
    g_assert_cmpint (block != NULL, ==, i < 3);
    if (block == NULL)
      g_assert_error (error, FW_ERROR, FW_ERROR_MEMORY);
    fw_block_free (block, 100);
  }
  fw_block_fail_after (0);
  g_assert_cmpuint (fw_block_total (), ==, before);
}

/* --- every allocation of a job fails once --- */

/* Does something; @digest receives what came of it. NULL error handling as everywhere. */
typedef gboolean (*Job) (GString *digest, gconstpointer data, GError **error);

/* From the first allocation to the last: one clear error, nothing left behind; and then the same result as undisturbed. */
static void
sweep (Job job, gconstpointer data, guint at_least)
{
  gsize before = fw_block_total ();
  g_autoptr (GString) want = g_string_new (NULL);
  g_autoptr (GError) none = NULL;
  g_assert_true (job (want, data, &none));
  g_assert_no_error (none);
  g_assert_cmpuint (fw_block_total (), ==, before);
  guint nth = 1;
  for (gboolean good = FALSE; !good; nth++) {
    g_autoptr (GString) digest = g_string_new (NULL);
    g_autoptr (GError) error = NULL;
    fw_block_fail_after (nth);
    good = job (digest, data, &error);
    fw_block_fail_after (0);
    g_assert_cmpuint (fw_block_total (), ==, before);
    if (good) {
      g_assert_no_error (error);
      break;
    }
    g_assert_error (error, FW_ERROR, FW_ERROR_MEMORY);
    g_assert_true (g_str_has_prefix (error->message, "Not enough memory: "));
    g_assert_null (strchr (error->message, '\n'));
    /* trying again works */
    g_clear_error (&error);
    g_string_truncate (digest, 0);
    g_assert_true (job (digest, data, &error));
    g_assert_cmpmem (digest->str, digest->len, want->str, want->len);
  }
  g_test_message ("%u allocations", nth - 1);
  g_assert_cmpuint (nth - 1, >=, at_least);
}

static FwVal
record_loss (FwGraph *graph, guint variant, gpointer data)
{
  gint64 rows = variant == 0 ? 3 : 5;
  FwVal x = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (rows, 4));
  FwVal w = fw_weight (graph, "w", SHAPE (6, 4)), bias = fw_weight (graph, "bias", SHAPE (6));
  FwVal y = fw_unary (graph, FW_FN_SILU, fw_linear (graph, x, w, bias));
  return fw_reduce (graph, FW_REDUCE_MEAN, fw_unary (graph, FW_FN_SQUARE, y), 3);
}

/* Two steps of a small network, one per variant, each of two parts. */
static gboolean
train (GString *digest, gconstpointer data, GError **error)
{
  const FwTrainerSettings settings = { .variants = 2, .compute = FW_DTYPE_F32, .adamw = { 0.9, 0.99, 1e-8, 0.01 }, .clip = 1 };
  g_autoptr (FwTrainer) trainer = fw_trainer_new (record_loss, NULL, &settings, (FwDevice *) data, error);
  if (trainer == NULL)
    return FALSE;
  gint64 size = fw_parameters_size (fw_trainer_parameters (trainer));
  float *weights = fw_trainer_array (trainer, FW_TRAINER_WEIGHTS);
  g_autofree float *start = test_numbers ("weights", FW_DTYPE_F32, size), *x = test_numbers ("x", FW_DTYPE_F32, 20);
  memcpy (weights, start, (gsize) size * sizeof *weights);
  for (guint step = 0; step < 2; step++) {
    double loss, norm;
    fw_exec_bind (fw_trainer_exec (trainer, step), "x", x);
    if (!fw_trainer_accumulate (trainer, step, 2, &loss, NULL, error)
        || !fw_trainer_accumulate (trainer, step, 2, &loss, NULL, error)
        || !fw_trainer_update (trainer, step + 1, 0.1, 0.5, &norm, NULL, error))
      return FALSE;
  }
  g_string_append_len (digest, (const char *) weights, size * (gint64) sizeof *weights);
  g_string_append_len (digest, (const char *) fw_trainer_array (trainer, FW_TRAINER_EMA), size * (gint64) sizeof *weights);
  return TRUE;
}

static void
test_train (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  sweep (train, device, 1 + 2 + FW_TRAINER_ARRAYS);
}

/* Half-precision weights have to be converted, each into a block of its own. */
static char *
write_weights (const char *folder)
{
  char *path = g_build_filename (folder, "weights.safetensors", NULL);
  static const char *const names[] = { "a.weight", "b.weight", "c.weight" };
  const FwDtype stored[] = { FW_DTYPE_F16, FW_DTYPE_F32, FW_DTYPE_F16 };
  FwSafetensorsEntry entries[3];
  float *numbers[3];
  g_autoptr (GError) error = NULL;
  for (int i = 0; i < 3; i++) {
    numbers[i] = test_numbers (names[i], FW_DTYPE_F32, 16);
    entries[i] = (FwSafetensorsEntry) { names[i], fw_tensor_dense (numbers[i], FW_DTYPE_F32, SHAPE (4, 4)), stored[i] };
  }
  fw_safetensors_write (path, entries, 3, NULL, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 3; i++)
    g_free (numbers[i]);
  return path;
}

typedef struct {
  const char *path;
  FwDevice *device;
} Generate;

static gboolean
run_network (const Generate *generate, FwWeights *weights, GString *digest, GError **error)
{
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  fw_graph_set_weights (graph, fw_weights_source (weights));
  FwVal y = fw_external (graph, "x", FW_DTYPE_F32, SHAPE (3, 4));
  FwVal state = fw_persistent (graph, "state", FW_DTYPE_F32, SHAPE (12));
  static const char *const names[] = { "a.weight", "b.weight", "c.weight" };
  for (int i = 0; i < 3; i++)
    y = fw_unary (graph, FW_FN_TANH, fw_linear (graph, y, fw_weight (graph, names[i], SHAPE (4, 4)), FW_NONE));
  FwVal decay = fw_constant (graph, "decay", FW_DTYPE_F32, SHAPE (1), &(const float) { 0.5f });
  fw_ema (graph, state, fw_reshape_to (graph, y, 12), decay);
  fw_keep (graph, "y", y);
  g_autoptr (FwPlan) plan = fw_plan_new (graph, generate->device, error);
  g_autoptr (FwExec) exec = plan != NULL ? fw_exec_new (plan, generate->device, NULL, error) : NULL;
  if (exec == NULL || !fw_weights_load (weights, error))
    return FALSE;
  g_autofree float *x = test_numbers ("x", FW_DTYPE_F32, 12);
  fw_weights_bind (weights, exec);
  fw_exec_bind (exec, "x", x);
  for (int step = 0; step < 3; step++)
    if (!fw_exec_run (exec, NULL, NULL, NULL, error))
      return FALSE;
  g_string_append_len (digest, fw_exec_data (exec, "y"), 12 * sizeof (float));
  g_string_append_len (digest, fw_exec_data (exec, "state"), 12 * sizeof (float));
  return TRUE;
}

static gboolean
generate (GString *digest, gconstpointer data, GError **error)
{
  const Generate *self = data;
  FwCheckpoint *checkpoint = fw_checkpoint_open (self->path, error);
  if (checkpoint == NULL)
    return FALSE;
  g_autoptr (FwWeights) weights = fw_weights_new (checkpoint, NULL);
  return run_network (self, weights, digest, error);
}

static char *
new_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("framewright-memory-XXXXXX", &error);
  g_assert_no_error (error);
  return folder;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (folder);
}

static void
test_generate (void)
{
  g_autoptr (FwDevice) device = test_device (NULL, 1);
  g_autofree char *folder = new_folder (), *path = write_weights (folder);
  sweep (generate, &(const Generate) { path, device }, 4);
  remove_folder (folder);
}

/* --- weights --- */

static FwVal
ask (FwGraph *graph, FwWeights *weights, const char *name, int rank, const gint64 *dim)
{
  fw_graph_set_weights (graph, fw_weights_source (weights));
  return fw_weight (graph, name, rank, dim);
}

static void
test_weights (void)
{
  g_autofree char *folder = new_folder (), *path = write_weights (folder);
  g_autoptr (FwWeights) weights = fw_weights_new (fw_checkpoint_open (path, NULL), NULL);
  const struct { const char *name; gint64 dim[2]; const char *says; } bad[] = {
    { "d.weight", { 4, 4 }, "the checkpoint has no tensor “d.weight”" },
    { "a.weight", { 4, 5 }, "“a.weight” is f16[4, 4] in the checkpoint, the model wants f32[4, 5]" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
    g_autoptr (GError) error = NULL;
    g_assert_cmpint (ask (graph, weights, bad[i].name, 2, bad[i].dim).id, ==, 0);
    g_assert_false (fw_graph_finish (graph, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_CHECKPOINT);
    g_assert_nonnull (strstr (error->message, bad[i].says));
  }
  g_assert_cmpuint (fw_weights_bytes (weights), ==, 0);
  fw_weights_allow_missing (weights, "temporal");
  g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
  g_assert_cmpint (ask (graph, weights, "temporal.weight", SHAPE (2)).id, !=, 0);
  g_assert_cmpint (ask (graph, weights, "b.weight", SHAPE (4, 4)).id, !=, 0);
  g_assert_cmpint (ask (graph, weights, "a.weight", SHAPE (4, 1, 4)).id, !=, 0); /* axes of size 1 do not matter */
  g_assert_cmpuint (fw_weights_bytes (weights), ==, (2 + 16 + 16) * sizeof (float));
  gsize before = fw_block_total ();
  g_autoptr (GError) error = NULL;
  g_assert_true (fw_weights_load (weights, &error));
  g_assert_cmpuint (fw_block_total (), ==, before + (2 + 16) * sizeof (float)); /* f32 is used where it lies */
  g_assert_true (fw_weights_load (weights, &error)); /* once */
  g_assert_cmpuint (fw_block_total (), ==, before + (2 + 16) * sizeof (float));
  remove_folder (folder);
}

/* --- files --- */

static guint
files_in (const char *folder)
{
  guint count = 0;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  while (g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

static void
assert_content (const char *path, const char *want)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  g_autofree char *text = fw_file_read (path, 1 << 20, &size, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (text, size + 1, want, strlen (want) + 1);
}

static void
test_writer (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = new_folder (), *path = g_build_filename (folder, "file", NULL);
  g_assert_true (fw_file_write (path, "old", 3, &error));
  FwFileWriter *writer = fw_file_writer_open (path, &error);
  g_assert_true (fw_file_writer_append (writer, "ne", 2, &error));
  assert_content (path, "old");
  g_assert_true (fw_file_writer_append (writer, "w", 1, &error));
  g_assert_true (fw_file_writer_append (writer, NULL, 0, &error));
  assert_content (path, "old");
  g_assert_true (fw_file_writer_commit (writer, &error));
  assert_content (path, "new");

  writer = fw_file_writer_open (path, &error);
  g_assert_true (fw_file_writer_append (writer, "never", 5, &error));
  fw_file_writer_abort (writer);
  assert_content (path, "new");
  fw_file_writer_abort (NULL);

  /* a new file never takes the place of another, which leaves nothing else behind */
  writer = fw_file_writer_open (path, &error);
  fw_file_writer_set_new (writer);
  g_assert_true (fw_file_writer_append (writer, "late", 4, &error));
  g_assert_false (fw_file_writer_commit (writer, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_clear_error (&error);
  g_assert_false (fw_file_write_new (path, "late", 4, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_clear_error (&error);
  assert_content (path, "new");
  g_assert_cmpint (files_in (folder), ==, 1);
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_true (fw_file_write_new (path, "newer", 5, &error));
  assert_content (path, "newer");

  /* of two at once the last one counts, whole */
  FwFileWriter *first = fw_file_writer_open (path, &error), *second = fw_file_writer_open (path, &error);
  g_assert_true (fw_file_writer_append (first, "first", 5, &error));
  g_assert_true (fw_file_writer_append (second, "second", 6, &error));
  g_assert_true (fw_file_writer_commit (second, &error));
  assert_content (path, "second");
  g_assert_true (fw_file_writer_commit (first, &error));
  assert_content (path, "first");
  g_assert_true (fw_file_write (path, "", 0, &error));
  assert_content (path, "");
  g_assert_cmpuint (files_in (folder), ==, 1);
  g_assert_no_error (error);
  remove_folder (folder);
}

/* What reaches the disk, for fsync() below stands in for the C library's. */
static struct {
  const char *path;        /* the file that is watched */
  guint files, folders;    /* so many of them were synced */
  gint64 bytes;            /* of the last file */
  gint64 size_at_path;     /* of @path when something was synced last; -1 = it was not there */
  gboolean broken;         /* nothing reaches it */
} disk;

static gint64
size_at (const char *path)
{
  struct stat status;
  return path != NULL && stat (path, &status) == 0 ? (gint64) status.st_size : -1;
}

int
fsync (int fd)
{
  struct stat status;
  if (disk.broken) {
    errno = EIO;
    return -1;
  }
  if (fstat (fd, &status) == 0 && S_ISDIR (status.st_mode)) {
    disk.folders++;
  } else {
    disk.files++;
    disk.bytes = status.st_size;
  }
  disk.size_at_path = size_at (disk.path);
  return (int) syscall (SYS_fsync, fd);
}

/* First all bytes, then the name: what stands at a path after a power cut is whole. */
static void
test_durable (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = new_folder (), *path = g_build_filename (folder, "file", NULL);
  g_autofree char *missing = g_build_filename (folder, "none", NULL);
  g_assert_true (fw_file_write (path, "old", 3, &error));
  memset (&disk, 0, sizeof disk);
  disk.path = path;
  FwFileWriter *writer = fw_file_writer_open (path, &error);
  g_assert_true (fw_file_writer_append (writer, "newer", 5, &error));
  g_assert_cmpuint (disk.files, ==, 0);
  g_assert_true (fw_file_writer_commit (writer, &error));
  g_assert_cmpuint (disk.files, ==, 1);
  g_assert_cmpint (disk.bytes, ==, 5);
  g_assert_cmpuint (disk.folders, ==, 1);
  g_assert_cmpint (disk.size_at_path, ==, 5);

  disk.broken = TRUE;
  g_assert_false (fw_file_write (path, "lost", 4, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  disk.broken = FALSE;
  assert_content (path, "newer");
  g_assert_cmpuint (files_in (folder), ==, 1);

  g_assert_true (fw_file_remove (missing, &error));
  g_assert_cmpuint (disk.folders, ==, 1);
  g_assert_true (fw_file_remove (path, &error));
  g_assert_cmpuint (disk.folders, ==, 2);
  g_assert_cmpint (disk.size_at_path, ==, -1);
  g_assert_no_error (error);
  g_assert_false (fw_file_remove (folder, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  remove_folder (folder);
}

/* As long as the file system allows. */
static void
test_long_name (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = new_folder (), *name = g_strnfill (255, 'n'), *path = g_build_filename (folder, name, NULL);
  g_assert_true (fw_file_write (path, "text", 4, &error));
  g_assert_no_error (error);
  assert_content (path, "text");
  g_assert_cmpuint (files_in (folder), ==, 1);
  remove_folder (folder);
}

static void
test_writer_failures (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = new_folder (), *path = g_build_filename (folder, "file", NULL);
  g_autofree char *below = g_build_filename (folder, "file", "below", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", "file", NULL);
  g_autofree char *taken = g_build_filename (folder, "folder", NULL);
  g_assert_true (fw_file_write (path, "old", 3, &error));
  g_assert_cmpint (g_mkdir (taken, 0700), ==, 0);
  const char *const impossible[] = { below, missing, taken };
  for (guint i = 0; i < G_N_ELEMENTS (impossible); i++) {
    g_assert_false (fw_file_write (impossible[i], "new", 3, &error));
    g_assert_error (error, FW_ERROR, FW_ERROR_IO);
    g_assert_nonnull (strstr (error->message, impossible[i]));
    g_clear_error (&error);
  }

  /* a disk that is full */
  struct rlimit before, small = { 1000, 0 };
  g_autofree char *large = g_strnfill (5000, 'x');
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
  small.rlim_max = before.rlim_max;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  gboolean written = fw_file_write (path, large, 5000, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
  g_assert_false (written);
  g_assert_error (error, FW_ERROR, FW_ERROR_IO);
  assert_content (path, "old");
  g_assert_cmpuint (files_in (folder), ==, 2);
  g_rmdir (taken);
  remove_folder (folder);
}

/* A process that ends in the middle leaves the old file, and no other where files without names exist. */
static void
test_killed (void)
{
  g_autofree char *folder = new_folder (), *path = g_build_filename (folder, "file", NULL);
  g_assert_true (fw_file_write (path, "old", 3, NULL));
  int nameless = open (folder, O_TMPFILE | O_RDWR, 0600);
  for (int committed = 0; committed < 2; committed++) {
    pid_t child = fork ();
    if (child == 0) {
      FwFileWriter *writer = fw_file_writer_open (path, NULL);
      if (fw_file_writer_append (writer, "new", 3, NULL) && committed)
        fw_file_writer_commit (writer, NULL);
      kill (getpid (), SIGKILL);
    }
    int status = 0;
    g_assert_cmpint (waitpid (child, &status, 0), ==, child);
    g_assert_true (WIFSIGNALED (status));
    assert_content (path, committed ? "new" : "old");
    if (nameless >= 0)
      g_assert_cmpuint (files_in (folder), ==, 1);
  }
  if (nameless >= 0)
    close (nameless);
  remove_folder (folder);
}

static void
test_reading (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = new_folder ();
  g_autofree char *path = g_build_filename (folder, "file", NULL);
  g_autofree char *fifo = g_build_filename (folder, "fifo", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  g_assert_true (fw_file_write (path, "1234", 4, &error));
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  assert_content (path, "1234");
  g_assert_null (fw_file_read (path, 3, NULL, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_true (fw_file_check_size (path, 4, &error));
  g_assert_no_error (error);
  g_assert_false (fw_file_check_size (path, 3, &error));
  g_assert_error (error, FW_ERROR, FW_ERROR_FORMAT);
  g_clear_error (&error);
  const char *const bad[] = { fifo, folder, missing, "/dev/zero" };
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_assert_cmpint (fw_file_open (bad[i], &error), ==, -1);
    g_assert_error (error, FW_ERROR, FW_ERROR_IO);
    g_assert_nonnull (strstr (error->message, bad[i]));
    g_clear_error (&error);
    g_assert_null (fw_file_map (bad[i], NULL));
    g_assert_null (fw_file_read (bad[i], 100, NULL, NULL));
    g_assert_false (fw_file_check_size (bad[i], G_MAXSIZE, NULL));
  }
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/memory/block", test_block);
  g_test_add_func ("/memory/block-too-large", test_block_too_large);
  g_test_add_func ("/memory/block-faults", test_block_faults);
  g_test_add_func ("/memory/faults/train", test_train);
  g_test_add_func ("/memory/faults/generate", test_generate);
  g_test_add_func ("/memory/weights", test_weights);
  g_test_add_func ("/memory/writer", test_writer);
  g_test_add_func ("/memory/durable", test_durable);
  g_test_add_func ("/memory/long-name", test_long_name);
  g_test_add_func ("/memory/writer-failures", test_writer_failures);
  g_test_add_func ("/memory/killed", test_killed);
  g_test_add_func ("/memory/reading", test_reading);
  return g_test_run ();
}
