/* SPDX-License-Identifier: Apache-2.0
 * Gradients of whole graphs against central differences, all in double on the reference kernels. */
#pragma once
#include "engine/graph/gradient.h"
#include "engine/graph/rewrite.h"
#include "tests/unit/graph-run.h"

/* Records a scalar loss; the names of the external values it is to be differentiated by are appended to @parameters. */
typedef FwVal (*CheckRecord) (FwGraph *graph, GPtrArray *parameters, gconstpointer data);

typedef enum {
  CHECK_PLAIN = 0,
  CHECK_CHECKPOINT = 1 << 0,  /* recompute segments */
  CHECK_FORWARD = 1 << 1,     /* fw_rewrite_forward() before the gradient */
  CHECK_FINAL = 1 << 2,       /* fw_rewrite_final() after it */
  CHECK_ALL = 7
} CheckFlags;

typedef struct {
  TestRun run;
  GPtrArray *parameters;      /* names; "grad.NAME" is kept for each that the loss depends on */
} Check;

/* A weight or input to be differentiated by. */
static inline FwVal
check_parameter (FwGraph *graph, GPtrArray *parameters, const char *name, int rank, const gint64 *dim)
{
  g_ptr_array_add (parameters, g_strdup (name));
  return fw_external (graph, name, fw_graph_accumulate (graph), rank, dim);
}

static inline void
check_init (Check *check, CheckRecord record, gconstpointer data, CheckFlags flags, FwDevice *device)
{
  FwGraph *graph = fw_graph_new (FW_DTYPE_F64);
  check->parameters = g_ptr_array_new_with_free_func (g_free);
  FwVal loss = record (graph, check->parameters, data);
  fw_keep (graph, "loss", loss);
  guint n = check->parameters->len;
  g_autofree FwVal *parameters = g_new0 (FwVal, n), *gradients = g_new0 (FwVal, n);
  for (guint i = 0; i < n; i++) {
    const FwValue *value = fw_graph_named (graph, g_ptr_array_index (check->parameters, i));
    g_assert_nonnull (value);
    parameters[i] = (FwVal) { value->id };
  }
  if (flags & CHECK_FORWARD)
    fw_rewrite_forward (graph);
  fw_gradient (graph, loss, parameters, n, (flags & CHECK_CHECKPOINT) != 0, gradients);
  for (guint i = 0; i < n; i++) {
    g_autofree char *name = g_strconcat ("grad.", g_ptr_array_index (check->parameters, i), NULL);
    fw_keep (graph, name, gradients[i]);
  }
  if (flags & CHECK_FINAL)
    fw_rewrite_final (graph);
  test_run_init (&check->run, graph, device);
}

static inline void
check_clear (Check *check)
{
  test_run_clear (&check->run);
  g_clear_pointer (&check->parameters, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Check, check_clear)

static inline double
check_loss (Check *check)
{
  test_run_go (&check->run);
  return test_run_result (&check->run, "loss", 0);
}

/* Moves every parameter on its own along a random direction: the slope must be the gradient's. A parameter without a gradient
 * must not matter. The loss must be of the order of 1. */
static inline void
check_differences (Check *check, double step, double tolerance)
{
  for (guint i = 0; i < check->parameters->len; i++) {
    const char *name = g_ptr_array_index (check->parameters, i);
    g_autofree char *kept = g_strconcat ("grad.", name, NULL), *seed = g_strconcat ("direction of ", name, NULL);
    gint64 count = fw_tensor_count (&fw_graph_named (check->run.graph, name)->layout);
    double *memory = test_run_memory (&check->run, name), analytic = 0, square = 0;
    g_autofree double *start = g_memdup2 (memory, MAX (count, 1) * sizeof *memory);
    g_autofree double *direction = test_numbers (seed, FW_DTYPE_F64, count);
    gboolean has = fw_graph_named (check->run.graph, kept) != NULL;
    test_run_go (&check->run);
    for (gint64 n = 0; n < count && has; n++) {
      double slope = test_run_result (&check->run, kept, n);
      analytic += slope * direction[n];
      square += slope * slope;
    }
    for (gint64 n = 0; n < count; n++)
      memory[n] = start[n] + step * direction[n];
    double raised = check_loss (check);
    for (gint64 n = 0; n < count; n++)
      memory[n] = start[n] - step * direction[n];
    double numeric = (raised - check_loss (check)) / (2 * step);
    memcpy (memory, start, count * sizeof *memory);
    if (!(fabs (numeric - analytic) <= tolerance * (fabs (analytic) + sqrt (square)) + 1e-9))
      g_error ("the gradient of %s is %.12g along a direction, differences give %.12g", name, analytic, numeric);
  }
}

/* Both have the same parameters with the same gradients: bit by bit, or within @tolerance of the largest number in any of
 * them (some gradients are nothing but rounding, such as those of key biases). */
static inline void
check_same (Check *a, Check *b, double tolerance)
{
  test_run_go (&a->run);
  test_run_go (&b->run);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  double largest = 0;
  for (guint i = 0; i <= a->parameters->len; i++) {
    gboolean is_loss = i == a->parameters->len;
    g_autofree char *name = is_loss ? g_strdup ("loss") : g_strconcat ("grad.", g_ptr_array_index (a->parameters, i), NULL);
    gboolean has = fw_graph_named (a->run.graph, name) != NULL;
    g_assert_cmpint (has, ==, fw_graph_named (b->run.graph, name) != NULL);
    if (!has)
      continue;
    largest = MAX (largest, test_run_largest (&a->run, name));
    g_ptr_array_add (names, g_steal_pointer (&name));
  }
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    double difference = test_run_difference (&a->run, &b->run, name);
    if (tolerance == 0 ? !test_run_same (&a->run, &b->run, name) : !(difference <= tolerance * largest))
      g_error ("%s differs by %.3g where the largest number is %.3g", name, difference, largest);
  }
}
