/* SPDX-License-Identifier: Apache-2.0
 * Golden runners for the arithmetic of training: learning-rate curves, the moving average, and whole optimiser steps through
 * the reference kernels. */
#include <math.h>
#include <string.h>

#include "engine/train/ema-decay.h"
#include "engine/train/lr-schedule.h"
#include "kernels/ref/ref.h"
#include "tests/golden/golden.h"

static gboolean
run_lr_curves (GoldenCase *golden, GError **error)
{
  gint64 warmup = (gint64) golden_number (golden, "warmup", 0), total = (gint64) golden_number (golden, "total", 0);
  double tolerance = golden_number (golden, "tolerance", 1e-9);
  JsonObject *curves = json_object_get_object_member (golden->json, "curves");
  g_autoptr (GList) names = json_object_get_members (curves);
  for (GList *link = names; link != NULL; link = link->next) {
    JsonArray *curve = json_object_get_array_member (curves, link->data);
    guint length = json_array_get_length (curve);
    g_autofree double *got = g_new (double, length), *want = g_new (double, length);
    FwLrSchedule schedule;
    if (!fw_lr_schedule_init (&schedule, link->data, warmup, total, error))
      return FALSE;
    if (g_str_equal (link->data, "cosine_with_restarts"))
      schedule.cycles = golden_number (golden, "cycles", 2);
    for (guint step = 0; step < length; step++) {
      got[step] = fw_lr_multiplier (&schedule, step);
      want[step] = json_array_get_double_element (curve, step);
    }
    golden_compare_doubles (golden, link->data, got, want, length, tolerance, 0);
  }
  return TRUE;
}

static FwTensor
vector (float *data, gsize count)
{
  return fw_tensor_dense (data, FW_DTYPE_F32, 1, (int64_t[]) { (int64_t) count });
}

/* average = decay * average + (1 - decay) * weights. */
static void
move_average (float *average, float *weights, gsize count, double decay)
{
  float hyper = (float) decay;
  FwKernelCall call = { .in = { vector (average, count), vector (weights, count), vector (&hyper, 1) },
                        .out = { vector (average, count) } };
  fw_ref_ema.run (&call);
}

static gboolean
run_ema (GoldenCase *golden, GError **error)
{
  double tolerance = golden_number (golden, "tolerance", 1e-6);
  FwEmaRule rule = fw_ema_rule (golden_number (golden, "kwargs.decay", 0.9999));
  rule.min_decay = golden_number (golden, "kwargs.min_decay", rule.min_decay);
  rule.update_after = (gint64) golden_number (golden, "kwargs.update_after_step", 0);
  rule.inv_gamma = golden_number (golden, "kwargs.inv_gamma", rule.inv_gamma);
  rule.power = golden_number (golden, "kwargs.power", rule.power);
  JsonObject *options = json_object_get_object_member (golden->json, "kwargs");
  rule.warmup = options != NULL && json_object_get_boolean_member_with_default (options, "use_ema_warmup", FALSE);
  JsonArray *decays = json_object_get_array_member (golden->json, "decay_per_step");
  FwTensor shape;
  g_autofree float *average = golden_floats (golden, "init", &shape);
  gsize count = (gsize) fw_tensor_count (&shape);
  for (guint step = 0; step < json_array_get_length (decays); step++) {
    g_autofree char *weights_name = g_strdup_printf ("param%u", step), *average_name = g_strdup_printf ("ema%u", step);
    g_autofree float *weights = golden_floats (golden, weights_name, NULL);
    double decay = fw_ema_decay (&rule, step + 1), want = json_array_get_double_element (decays, step);
    golden_check (golden, fabs (decay - want) < 1e-12, "decay of step %u is %.17g, not %.17g", step + 1, decay, want);
    move_average (average, weights, count, decay);
    golden_compare_io (golden, average_name, average, count, tolerance, 0);
  }
  return TRUE;
}

/* --- optimiser steps -------------------------------------------------------------------------------------------- */

typedef struct {
  const char *name;
  gsize count;
  float *weights, *average, *first, *second, *gradient;
} Parameter;

static void
clear_parameter (gpointer data)
{
  Parameter *parameter = data;
  g_free (parameter->weights);
  g_free (parameter->average);
  g_free (parameter->first);
  g_free (parameter->second);
  g_free (parameter->gradient);
}

static float *
read_state (GoldenCase *golden, const char *what, int step, const char *parameter_name)
{
  g_autofree char *name = g_strdup_printf ("%s%d.%s", what, step, parameter_name);
  return golden_floats (golden, name, NULL);
}

/* Recordings whose init.* shares memory with the trained weights hold the last weights there. The first ones then follow
 * from what the first step left: ema0 = decay * init + (1 - decay) * param0. The update itself is still checked by param0. */
static void
mend_start (GoldenCase *golden, Parameter *parameter, int steps)
{
  g_autofree float *last = read_state (golden, "param", steps - 1, parameter->name);
  if (memcmp (parameter->weights, last, parameter->count * sizeof (float)) != 0)
    return;
  g_autofree float *weights = read_state (golden, "param", 0, parameter->name);
  g_autofree float *average = read_state (golden, "ema", 0, parameter->name);
  double decay = golden_number (golden, "ema_decay", 0.9999);
  for (gsize i = 0; i < parameter->count; i++)
    parameter->weights[i] = (float) ((average[i] - (1 - decay) * weights[i]) / decay);
}

/* One parameter for every tensor init.NAME. */
static GArray *
read_parameters (GoldenCase *golden, int steps)
{
  GArray *parameters = g_array_new (FALSE, FALSE, sizeof (Parameter));
  g_array_set_clear_func (parameters, clear_parameter);
  for (guint i = 0; i < fw_checkpoint_count (golden->io); i++) {
    const char *name = fw_checkpoint_tensor (golden->io, i)->name;
    if (!g_str_has_prefix (name, "init."))
      continue;
    FwTensor shape;
    Parameter parameter = { .name = name + strlen ("init.") };
    parameter.weights = golden_floats (golden, name, &shape);
    parameter.count = (gsize) fw_tensor_count (&shape);
    mend_start (golden, &parameter, steps);
    parameter.average = g_memdup2 (parameter.weights, parameter.count * sizeof (float));
    parameter.first = g_new0 (float, parameter.count);
    parameter.second = g_new0 (float, parameter.count);
    g_array_append_val (parameters, parameter);
  }
  return parameters;
}

static double
sum_squares (float *values, gsize count)
{
  float sum;
  FwKernelCall call = { .in = { vector (values, count) }, .out = { vector (&sum, 1) } };
  fw_ref_sum_squares.run (&call);
  return sum;
}

static double
read_gradients (GoldenCase *golden, GArray *parameters, int step)
{
  double sum = 0;
  for (guint i = 0; i < parameters->len; i++) {
    Parameter *parameter = &g_array_index (parameters, Parameter, i);
    g_autofree char *name = g_strdup_printf ("grad%d.%s", step, parameter->name);
    g_free (parameter->gradient);
    parameter->gradient = golden_floats (golden, name, NULL);
    sum += sum_squares (parameter->gradient, parameter->count);
  }
  return sqrt (sum);
}

static void
compare_state (GoldenCase *golden, const char *what, int step, const Parameter *parameter, const float *got)
{
  g_autofree char *name = g_strdup_printf ("%s%d.%s", what, step, parameter->name);
  golden_compare_io (golden, name, got, parameter->count, golden_number (golden, "tolerance.abs", 1e-6), 0);
}

static void
step_parameter (GoldenCase *golden, Parameter *parameter, const FwAdamwAttributes *attributes, float *hyper, int step)
{
  gsize count = parameter->count;
  g_autofree float *clipped = g_new (float, count);
  for (gsize i = 0; i < count; i++)
    clipped[i] = hyper[3] * parameter->gradient[i];
  compare_state (golden, "clipped", step, parameter, clipped);
  FwTensor weights = vector (parameter->weights, count), first = vector (parameter->first, count),
    second = vector (parameter->second, count);
  FwKernelCall call = {
    .in = { weights, first, second, vector (parameter->gradient, count), vector (hyper, 4) },
    .out = { weights, first, second },
    .attributes = attributes,
  };
  fw_ref_adamw.run (&call);
  move_average (parameter->average, parameter->weights, count, golden_number (golden, "ema_decay", 0.9999));
  compare_state (golden, "param", step, parameter, parameter->weights);
  compare_state (golden, "exp_avg", step, parameter, parameter->first);
  compare_state (golden, "exp_avg_sq", step, parameter, parameter->second);
  compare_state (golden, "ema", step, parameter, parameter->average);
}

static gboolean
run_optimizer (GoldenCase *golden, GError **error)
{
  JsonArray *betas = json_object_get_array_member (golden->json, "betas");
  JsonArray *rates = json_object_get_array_member (golden->json, "lr_used_per_step");
  JsonArray *norms = json_object_get_array_member (golden->json, "grad_norm_before_clip");
  FwAdamwAttributes attributes = {
    json_array_get_double_element (betas, 0), json_array_get_double_element (betas, 1),
    golden_number (golden, "eps", 1e-8), golden_number (golden, "weight_decay", 0),
  };
  FwLrSchedule schedule;
  const char *schedule_name = json_object_get_string_member (golden->json, "lr_scheduler");
  if (!fw_lr_schedule_init (&schedule, schedule_name, (gint64) golden_number (golden, "warmup", 0),
                            (gint64) golden_number (golden, "total", 0), error))
    return FALSE;
  double base_rate = golden_number (golden, "lr", 0), max_norm = golden_number (golden, "max_norm", 1);
  int steps = (int) golden_number (golden, "steps", 0);
  g_autoptr (GArray) parameters = read_parameters (golden, steps);
  for (int step = 0; step < steps; step++) {
    double rate = base_rate * fw_lr_multiplier (&schedule, step), norm = read_gradients (golden, parameters, step);
    double want_rate = json_array_get_double_element (rates, step), want_norm = json_array_get_double_element (norms, step);
    golden_check (golden, fabs (rate - want_rate) <= 1e-12, "rate of step %d is %.17g, not %.17g", step, rate, want_rate);
    golden_check (golden, fabs (norm - want_norm) <= 1e-6 * want_norm, "norm of step %d is %.9g, not %.9g", step, norm,
                  want_norm);
    float hyper[4] = { (float) rate, (float) (1 - pow (attributes.beta1, step + 1)),
                       (float) (1 - pow (attributes.beta2, step + 1)),
                       (float) MIN (1, max_norm / (norm + 1e-6)) };
    for (guint i = 0; i < parameters->len; i++)
      step_parameter (golden, &g_array_index (parameters, Parameter, i), &attributes, hyper, step);
  }
  for (guint i = 0; i < parameters->len; i++) {
    Parameter *parameter = &g_array_index (parameters, Parameter, i);
    g_autofree char *name = g_strdup_printf ("final64.%s", parameter->name);
    golden_compare_io (golden, name, parameter->weights, parameter->count, golden_number (golden, "tolerance.abs", 1e-6), 0);
  }
  return TRUE;
}

const GoldenRunner golden_train_runners[] = {
  { "adamw/lr_curves", run_lr_curves },
  { "adamw/ema_diffusers", run_ema },
  { "adamw/optimizer", run_optimizer },
  { NULL, NULL }
};
