/* SPDX-License-Identifier: Apache-2.0
 * Drawing initial weights. */
#include "engine/train/init.h"

#include <math.h>
#include <string.h>

static void
fans (const FwParameter *parameter, double *fan_in, double *fan_out)
{
  double receptive = 1;
  for (int i = 2; i < parameter->rank; i++)
    receptive *= (double) parameter->dim[i];
  *fan_out = (double) parameter->dim[0] * receptive;
  *fan_in = parameter->rank > 1 ? (double) parameter->dim[1] * receptive : 1;
}

static void
constant (float *out, gsize count, double value)
{
  for (gsize i = 0; i < count; i++)
    out[i] = (float) value;
}

static void
normal (FwNoise *noise, float *out, gsize count, double deviation)
{
  fw_noise_randn (noise, out, count);
  for (gsize i = 0; i < count; i++)
    out[i] *= (float) deviation;
}

static void
draw_zero (const FwParameter *parameter, double scale, FwNoise *noise, float *out)
{
  constant (out, parameter->count, 0);
}

static void
draw_one (const FwParameter *parameter, double scale, FwNoise *noise, float *out)
{
  constant (out, parameter->count, 1);
}

static void
draw_normal (const FwParameter *parameter, double scale, FwNoise *noise, float *out)
{
  normal (noise, out, parameter->count, scale);
}

static void
draw_unit_gain (const FwParameter *parameter, double scale, FwNoise *noise, float *out)
{
  double fan_in, fan_out;
  fans (parameter, &fan_in, &fan_out);
  normal (noise, out, parameter->count, scale / sqrt (fan_in));
}

static void
draw_xavier (const FwParameter *parameter, double scale, FwNoise *noise, float *out)
{
  double fan_in, fan_out;
  fans (parameter, &fan_in, &fan_out);
  double bound = scale * sqrt (6 / (fan_in + fan_out));
  fw_noise_rand (noise, out, parameter->count);
  for (gint64 i = 0; i < parameter->count; i++)
    out[i] = (float) ((2 * out[i] - 1) * bound);
}

static void (*const draws[FW_INIT_N]) (const FwParameter *, double, FwNoise *, float *) = {
  [FW_INIT_ZERO] = draw_zero, [FW_INIT_ONE] = draw_one, [FW_INIT_NORMAL] = draw_normal,
  [FW_INIT_UNIT_GAIN] = draw_unit_gain, [FW_INIT_XAVIER] = draw_xavier,
};

static gboolean
fits (const FwInitRule *rule, const char *name)
{
  return (rule->suffix == NULL || g_str_has_suffix (name, rule->suffix))
         && (rule->part == NULL || strstr (name, rule->part) != NULL);
}

void
fw_init_parameters (const FwParameters *parameters, const FwInitRule *rules, guint64 seed, float *flat)
{
  for (guint i = 0; i < fw_parameters_count (parameters); i++) {
    const FwParameter *parameter = fw_parameters_get (parameters, i);
    const FwInitRule *rule = rules;
    FwNoise noise;
    while (!fits (rule, parameter->name))
      rule++;
    fw_noise_seed (&noise, seed ^ (guint64) g_str_hash (parameter->name) * 0x9e3779b97f4a7c15u);
    draws[rule->kind] (parameter, rule->scale, &noise, flat + parameter->offset);
  }
}
