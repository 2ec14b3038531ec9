/* SPDX-License-Identifier: Apache-2.0
 * Golden runners for checkpoint files: the valid ones must load exactly, the hostile ones must end as their manifest says,
 * each in a process of its own whose time and memory are measured. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/golden/golden.h"

/* How opening one file in a child process went. */
typedef struct {
  gboolean ended;      /* by itself, in time, with exit code 0 */
  gboolean loaded;
  guint64 extra_kib;   /* growth of the resident set or of the address space at its peak, whichever is larger */
  double seconds;
  char message[1024];  /* the error, if it was refused */
} Attempt;

enum { LARGEST_READ = 16 << 20 }; /* elements: views may repeat few bytes many times */

static guint64
status_kib (const char *key)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  const char *found = strstr (text, key);
  return found != NULL ? g_ascii_strtoull (found + strlen (key), NULL, 10) : 0;
}

static gboolean
read_all (FwCheckpoint *checkpoint, GError **error)
{
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    FwTensor shape = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
    if (fw_tensor_count (&shape) > LARGEST_READ)
      continue;
    g_autofree gpointer data = g_malloc0_n ((gsize) MAX (fw_tensor_count (&shape), 1), fw_dtype_size (tensor->dtype));
    if (!fw_checkpoint_read (checkpoint, tensor, tensor->dtype, data, error))
      return FALSE;
  }
  return TRUE;
}

static void
attempt_in_child (const char *path, int output)
{
  Attempt attempt = { .ended = TRUE };
  g_autoptr (GError) error = NULL;
  guint64 resident = status_kib ("VmRSS:"), address = status_kib ("VmSize:");
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &error);
  guint64 resident_peak = status_kib ("VmHWM:"), address_peak = status_kib ("VmPeak:");
  attempt.loaded = checkpoint != NULL && read_all (checkpoint, &error);
  attempt.extra_kib = MAX (resident_peak - MIN (resident, resident_peak), address_peak - MIN (address, address_peak));
  if (!attempt.loaded)
    g_strlcpy (attempt.message, error != NULL ? error->message : "", sizeof attempt.message);
  if (write (output, &attempt, sizeof attempt) != sizeof attempt)
    _exit (3);
}

static Attempt
try_open (const char *path, double max_seconds)
{
  Attempt attempt = { 0 };
  int ends[2], status = 0;
  if (pipe (ends) != 0)
    g_error ("no pipe");
  gint64 start = g_get_monotonic_time ();
  fflush (NULL);
  pid_t child = fork ();
  if (child == 0) {
    close (ends[0]);
    attempt_in_child (path, ends[1]);
    _exit (0);
  }
  close (ends[1]);
  struct pollfd wait = { .fd = ends[0], .events = POLLIN };
  if (child < 0 || poll (&wait, 1, (int) (max_seconds * 1000)) <= 0 || read (ends[0], &attempt, sizeof attempt) != sizeof attempt)
    attempt.ended = FALSE;
  attempt.seconds = (double) (g_get_monotonic_time () - start) / 1e6;
  if (child > 0) {
    if (!attempt.ended)
      kill (child, SIGKILL);
    waitpid (child, &status, 0);
  }
  if (status != 0)
    attempt.ended = FALSE;
  close (ends[0]);
  return attempt;
}

static void
check_side_effects (GoldenCase *golden, const char *file)
{
  JsonNode *must = json_object_get_member (golden->json, "must");
  JsonObject *limits = must != NULL ? json_node_get_object (must) : NULL;
  if (limits == NULL || !json_object_has_member (limits, "no_side_effect_paths"))
    return;
  JsonArray *paths = json_object_get_array_member (limits, "no_side_effect_paths");
  for (guint i = 0; i < json_array_get_length (paths); i++) {
    const char *path = json_array_get_string_element (paths, i);
    golden_check (golden, !g_file_test (path, G_FILE_TEST_EXISTS), "%s: “%s” exists", file, path);
  }
}

static void
check_refusal (GoldenCase *golden, const char *file, const char *message)
{
  g_autofree char *named = g_strdup_printf ("%s”", file);
  const char *reason = strstr (message, named);
  golden_check (golden, reason != NULL && strlen (reason) > strlen (named) + 8,
                "%s: the error does not name file and reason: %s", file, message);
  golden_check (golden, strchr (message, '\n') == NULL, "%s: the error is not one sentence: %s", file, message);
}

/* Runs one file against "load", "refuse" or "…_or_…", where either is right. */
static Attempt
check_outcome (GoldenCase *golden, JsonObject *item)
{
  const char *file = json_object_get_string_member (item, "file");
  const char *outcome = json_object_get_string_member (item, "outcome");
  double max_seconds = golden_number (golden, "must.max_seconds", 5);
  double max_mib = golden_number (golden, "must.max_extra_memory_mib", 64);
  g_autofree char *path = golden_path (golden, file);
  Attempt attempt = try_open (path, max_seconds);
  if (!golden_check (golden, attempt.ended, "%s: crashed, or took more than %.0f s", file, max_seconds))
    return attempt;
  golden_check (golden, (double) attempt.extra_kib <= max_mib * 1024, "%s: took %" G_GUINT64_FORMAT " KiB more, %.0f MiB allowed",
                file, attempt.extra_kib, max_mib);
  golden_check (golden, attempt.seconds <= max_seconds, "%s: took %.1f s", file, attempt.seconds);
  if (strstr (outcome, "_or_") == NULL)
    golden_check (golden, attempt.loaded == g_str_equal (outcome, "load"), "%s: %s, but must %s", file,
                  attempt.loaded ? "was loaded" : attempt.message, outcome);
  if (!attempt.loaded)
    check_refusal (golden, file, attempt.message);
  check_side_effects (golden, file);
  if (g_getenv ("GOLDEN_VERBOSE") != NULL)
    g_print ("  %s %-36s %5" G_GUINT64_FORMAT " KiB %.3f s %s\n", attempt.loaded ? "loads  " : "refuses", file,
             attempt.extra_kib, attempt.seconds, attempt.message);
  return attempt;
}

static gboolean
run_hostile (GoldenCase *golden, GError **error)
{
  JsonArray *cases = json_object_get_array_member (golden->json, "cases");
  for (guint i = 0; i < json_array_get_length (cases); i++)
    check_outcome (golden, json_array_get_object_element (cases, i));
  return TRUE;
}

/* The dense bytes of a tensor as stored. */
static guint8 *
tensor_bytes (FwCheckpoint *checkpoint, const FwCheckpointTensor *tensor, gsize *size, GError **error)
{
  FwTensor shape = fw_tensor_dense (NULL, tensor->dtype, tensor->rank, tensor->dim);
  *size = (gsize) fw_tensor_count (&shape) * fw_dtype_size (tensor->dtype);
  g_autofree guint8 *bytes = g_malloc0 (*size + 1);
  return fw_checkpoint_read (checkpoint, tensor, tensor->dtype, bytes, error) ? g_steal_pointer (&bytes) : NULL;
}

static gboolean
is_our_type (const char *name)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);
  for (int dtype = 0; dtype < FW_N_DTYPES; dtype++)
    if (strcmp (fw_dtype_name ((FwDtype) dtype), lower) == 0)
      return TRUE;
  return FALSE;
}

static void
compare_described (GoldenCase *golden, FwCheckpoint *checkpoint, const char *name, JsonObject *want)
{
  const FwCheckpointTensor *tensor = fw_checkpoint_find (checkpoint, name);
  if (!golden_check (golden, tensor != NULL, "tensor “%s” is missing", name))
    return;
  const char *dtype = json_object_get_string_member (want, "dtype"), *hex = json_object_get_string_member (want, "hex");
  golden_check (golden, g_ascii_strcasecmp (dtype, fw_dtype_name (tensor->dtype)) == 0, "%s: is %s, not %s", name,
                fw_dtype_name (tensor->dtype), dtype);
  JsonArray *shape = json_object_get_array_member (want, "shape");
  gboolean same = json_array_get_length (shape) == (guint) tensor->rank;
  for (int i = 0; same && i < tensor->rank; i++)
    same = json_array_get_int_element (shape, (guint) i) == tensor->dim[i];
  if (!golden_check (golden, same, "%s: the shape differs", name))
    return;
  g_autoptr (GError) error = NULL;
  gsize size;
  g_autofree guint8 *bytes = tensor_bytes (checkpoint, tensor, &size, &error);
  g_autoptr (GString) text = g_string_new (NULL);
  for (gsize i = 0; bytes != NULL && i < size; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  golden_check (golden, bytes != NULL && g_str_equal (text->str, hex), "%s: bytes %s, not %s", name, text->str, hex);
}

static void
compare_expectations (GoldenCase *golden, JsonObject *item, FwCheckpoint *checkpoint)
{
  JsonObject *expect = json_object_get_object_member (item, "expect");
  const char *oracle = json_object_get_string_member_with_default (item, "oracle", "");
  g_autoptr (GList) names = json_object_get_members (expect);
  guint unlisted = 0;
  for (GList *at = names; at != NULL; at = at->next) {
    JsonObject *want = json_object_get_object_member (expect, at->data);
    if (is_our_type (json_object_get_string_member (want, "dtype")))
      compare_described (golden, checkpoint, at->data, want);
    else
      unlisted++;
  }
  if (g_str_has_prefix (oracle, "loads "))
    golden_check (golden, fw_checkpoint_count (checkpoint) + unlisted == g_ascii_strtoull (oracle + 6, NULL, 10),
                  "%s: %u tensors, but it %s",
                  json_object_get_string_member (item, "file"), fw_checkpoint_count (checkpoint), oracle);
}

static gboolean
run_safetensors_valid (GoldenCase *golden, GError **error)
{
  JsonArray *cases = json_object_get_array_member (golden->json, "cases");
  for (guint i = 0; i < json_array_get_length (cases); i++) {
    JsonObject *item = json_array_get_object_element (cases, i);
    if (!check_outcome (golden, item).loaded)
      continue;
    g_autofree char *path = golden_path (golden, json_object_get_string_member (item, "file"));
    g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, error);
    if (checkpoint == NULL)
      return FALSE;
    compare_expectations (golden, item, checkpoint);
  }
  return TRUE;
}

static gboolean
same_tensor (FwCheckpoint *got, const FwCheckpointTensor *left, FwCheckpoint *want, const FwCheckpointTensor *right,
             GError **error)
{
  if (left->dtype != right->dtype || left->rank != right->rank
      || memcmp (left->dim, right->dim, sizeof left->dim[0] * (gsize) left->rank) != 0)
    return FALSE;
  gsize left_size, right_size;
  g_autofree guint8 *left_bytes = tensor_bytes (got, left, &left_size, error);
  g_autofree guint8 *right_bytes = left_bytes != NULL ? tensor_bytes (want, right, &right_size, error) : NULL;
  return right_bytes != NULL && left_size == right_size && memcmp (left_bytes, right_bytes, left_size) == 0;
}

/* Compares the tensors of @path, opened at @part, with those of @want whose names start with "@part/" (all if @part is ""). */
static void
compare_part (GoldenCase *golden, const char *path, const char *part, FwCheckpoint *want)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (FwCheckpoint) got = fw_checkpoint_open_part (path, part, &error);
  g_autofree char *prefix = *part != '\0' ? g_strconcat (part, "/", NULL) : g_strdup ("");
  guint matching = 0;
  if (!golden_check (golden, got != NULL, "part “%s”: %s", part, error != NULL ? error->message : ""))
    return;
  for (guint i = 0; i < fw_checkpoint_count (want); i++) {
    const FwCheckpointTensor *right = fw_checkpoint_tensor (want, i);
    if (!g_str_has_prefix (right->name, prefix))
      continue;
    matching++;
    const FwCheckpointTensor *left = fw_checkpoint_find (got, right->name + strlen (prefix));
    golden_check (golden, left != NULL && same_tensor (got, left, want, right, &error), "%s, part “%s”: “%s” %s", path, part,
                  right->name,
                  left == NULL ? "is missing" : error != NULL ? error->message : "differs");
  }
  golden_check (golden, fw_checkpoint_count (got) == matching, "%s, part “%s”: %u tensors, not %u", path, part,
                fw_checkpoint_count (got), matching);
}

static gboolean
run_pth_valid (GoldenCase *golden, GError **error)
{
  JsonArray *cases = json_object_get_array_member (golden->json, "cases");
  for (guint i = 0; i < json_array_get_length (cases); i++) {
    JsonObject *item = json_array_get_object_element (cases, i);
    if (!check_outcome (golden, item).loaded)
      continue;
    g_autofree char *path = golden_path (golden, json_object_get_string_member (item, "file"));
    g_autofree char *want_path = golden_path (golden, json_object_get_string_member (item, "expected"));
    g_autoptr (FwCheckpoint) want = fw_checkpoint_open (want_path, error);
    if (want == NULL)
      return FALSE;
    compare_part (golden, path, "", want);
    g_autoptr (GHashTable) parts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (guint j = 0; j < fw_checkpoint_count (want); j++) {
      const char *name = fw_checkpoint_tensor (want, j)->name, *slash = strchr (name, '/');
      if (slash != NULL)
        g_hash_table_add (parts, g_strndup (name, (gsize) (slash - name)));
    }
    g_autoptr (GList) names = g_hash_table_get_keys (parts);
    for (GList *at = names; at != NULL; at = at->next)
      compare_part (golden, path, at->data, want);
  }
  return TRUE;
}

const GoldenRunner golden_checkpoint_runners[] = {
  { "safetensors/valid", run_safetensors_valid },
  { "safetensors/hostile", run_hostile },
  { "safetensors/hostile_index", run_hostile },
  { "pth/valid", run_pth_valid },
  { "pth/hostile", run_hostile },
  { NULL }
};
