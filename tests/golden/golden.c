/* SPDX-License-Identifier: Apache-2.0
 * Access to a case's tensors and numbers, and the comparisons that print one line each. */
#include "tests/golden/golden.h"

#include <math.h>
#include <stdlib.h>

char *
golden_path (GoldenCase *golden, const char *name)
{
  return g_build_filename (golden->folder, name, NULL);
}

gboolean
golden_has (GoldenCase *golden, const char *name)
{
  return golden->io != NULL && fw_checkpoint_find (golden->io, name) != NULL;
}

static gpointer
read_tensor (GoldenCase *golden, const char *name, FwDtype dtype, FwTensor *shape)
{
  const FwCheckpointTensor *tensor = golden->io != NULL ? fw_checkpoint_find (golden->io, name) : NULL;
  if (tensor == NULL) {
    g_printerr ("%s: no tensor “%s” in io.safetensors\n", golden->folder, name);
    exit (1);
  }
  FwTensor description = fw_tensor_dense (NULL, dtype, tensor->rank, tensor->dim);
  gpointer data = g_malloc0_n (MAX (fw_tensor_count (&description), 1), fw_dtype_size (dtype));
  g_autoptr (GError) error = NULL;
  if (!fw_checkpoint_read (golden->io, tensor, dtype, data, &error)) {
    g_printerr ("%s: %s\n", golden->folder, error->message);
    exit (1);
  }
  if (shape != NULL)
    *shape = description;
  return data;
}

float *
golden_floats (GoldenCase *golden, const char *name, FwTensor *shape)
{
  const FwCheckpointTensor *tensor = golden->io != NULL ? fw_checkpoint_find (golden->io, name) : NULL;
  if (tensor != NULL && tensor->dtype == FW_DTYPE_I64) {
    FwTensor description;
    g_autofree gint64 *integers = golden_integers (golden, name, &description);
    gint64 count = fw_tensor_count (&description);
    float *floats = g_new (float, count + 1);
    for (gint64 i = 0; i < count; i++)
      floats[i] = (float) integers[i];
    if (shape != NULL)
      *shape = description;
    return floats;
  }
  return read_tensor (golden, name, FW_DTYPE_F32, shape);
}

double *
golden_doubles (GoldenCase *golden, const char *name, FwTensor *shape)
{
  return read_tensor (golden, name, FW_DTYPE_F64, shape);
}

gint64 *
golden_integers (GoldenCase *golden, const char *name, FwTensor *shape)
{
  return read_tensor (golden, name, FW_DTYPE_I64, shape);
}

double
golden_number (GoldenCase *golden, const char *path, double otherwise)
{
  g_auto (GStrv) parts = g_strsplit (path, ".", -1);
  JsonObject *object = golden->json;
  for (char **part = parts; *part != NULL; part++) {
    JsonNode *node = object != NULL && json_object_has_member (object, *part) ? json_object_get_member (object, *part) : NULL;
    if (node == NULL)
      return otherwise;
    if (part[1] == NULL)
      return JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : otherwise;
    object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  }
  return otherwise;
}

gboolean
golden_compare_doubles (GoldenCase *golden, const char *name, const double *got, const double *want, gsize count, double atol,
                        double rtol)
{
  double worst = 0, largest = 0, used = 0;
  gboolean passed = TRUE;
  for (gsize i = 0; i < count; i++) {
    double difference = fabs (got[i] - want[i]);
    if (!isfinite (want[i])) {
      passed &= got[i] == want[i] || (isnan (got[i]) && isnan (want[i]));
    } else {
      double allowed = atol + rtol * fabs (want[i]);
      passed &= difference <= allowed;
      used = MAX (used, difference > 0 ? difference / allowed : 0);
      worst = isnan (difference) || difference > worst ? difference : worst;
      largest = MAX (largest, fabs (want[i]));
    }
  }
  golden->compared++;
  golden->failed += !passed;
  g_print ("  %s %-44s max abs %.3e  relative %.3e  (atol %g, rtol %g; %.3g of what is allowed)\n", passed ? "ok  " : "FAIL", name,
           worst, largest > 0 ? worst / largest : worst, atol, rtol, used);
  return passed;
}

gboolean
golden_compare (GoldenCase *golden, const char *name, const float *got, const float *want, gsize count, double atol, double rtol)
{
  g_autofree double *wide_got = g_new (double, count + 1), *wide_want = g_new (double, count + 1);
  for (gsize i = 0; i < count; i++) {
    wide_got[i] = got[i];
    wide_want[i] = want[i];
  }
  return golden_compare_doubles (golden, name, wide_got, wide_want, count, atol, rtol);
}

gboolean
golden_compare_io (GoldenCase *golden, const char *name, const float *got, gsize count, double atol, double rtol)
{
  FwTensor shape;
  g_autofree float *want = golden_floats (golden, name, &shape);
  if ((gsize) fw_tensor_count (&shape) != count)
    return golden_check (golden, FALSE, "%s: %" G_GSIZE_FORMAT " elements computed, %" G_GINT64_FORMAT " expected", name, count,
                         (gint64) fw_tensor_count (&shape));
  return golden_compare (golden, name, got, want, count, atol, rtol);
}

void
golden_drift (GoldenCase *golden, const char *name, const float *got, const float *exact, gsize count)
{
  double worst = 0, largest = 0, squares = 0, exact_squares = 0;
  g_autofree char *bound = g_strconcat ("bf16_drift.", name, NULL);
  g_autofree char *max_path = g_strconcat (bound, ".max", NULL), *rms_path = g_strconcat (bound, ".rms", NULL);
  double max_bound = golden_number (golden, max_path, INFINITY), rms_bound = golden_number (golden, rms_path, INFINITY);
  for (gsize i = 0; i < count; i++) {
    double difference = fabs ((double) got[i] - exact[i]);
    worst = difference <= worst ? worst : difference;
    largest = MAX (largest, fabs (exact[i]));
    squares += difference * difference;
    exact_squares += (double) exact[i] * exact[i];
  }
  double max = worst / largest, rms = sqrt (squares / exact_squares);
  gboolean passed = isfinite (rms) && max <= max_bound && rms <= rms_bound;
  golden->compared++;
  golden->failed += !passed;
  g_print ("  %s %-44s max %.3e  rms %.3e  (bf16 drift; at most %g, %g)\n", passed ? "ok  " : "FAIL", name, max, rms, max_bound,
           rms_bound);
}

gboolean
golden_check (GoldenCase *golden, gboolean passed, const char *format, ...)
{
  golden->compared++;
  if (passed)
    return TRUE;
  golden->failed++;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_print ("  FAIL %s\n", text);
  return FALSE;
}
