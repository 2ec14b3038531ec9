/* SPDX-License-Identifier: Apache-2.0
 * Learning-rate schedules, one row each. */
#include "engine/train/lr-schedule.h"

#include <math.h>

/* From 0 at the end of warm-up to 1 at the end of the run. */
static double
progress (const FwLrSchedule *schedule, gint64 step)
{
  return (double) (step - schedule->warmup) / (double) MAX (1, schedule->total - schedule->warmup);
}

static double
constant (const FwLrSchedule *schedule, gint64 step)
{
  return 1;
}

static double
linear (const FwLrSchedule *schedule, gint64 step)
{
  return MAX (0, (double) (schedule->total - step) / (double) MAX (1, schedule->total - schedule->warmup));
}

static double
cosine (const FwLrSchedule *schedule, gint64 step)
{
  return MAX (0, 0.5 * (1 + cos (G_PI * 2 * schedule->cycles * progress (schedule, step))));
}

static double
cosine_with_restarts (const FwLrSchedule *schedule, gint64 step)
{
  double at = progress (schedule, step);
  return at >= 1 ? 0 : MAX (0, 0.5 * (1 + cos (G_PI * fmod (schedule->cycles * at, 1))));
}

static double
polynomial (const FwLrSchedule *schedule, gint64 step)
{
  double at = progress (schedule, step);
  return at >= 1 ? schedule->end : schedule->end + (1 - schedule->end) * pow (1 - at, schedule->power);
}

static double
constant_then_linear (const FwLrSchedule *schedule, gint64 step)
{
  double from = schedule->decay_from * (double) schedule->total, length = (double) schedule->total - from;
  double at = length > 0 ? CLAMP (((double) step - from) / length, 0, 1) : 0;
  return 1 - at * (1 - schedule->end);
}

static const struct {
  const char *name;
  gboolean warms_up;
  double (*after_warmup) (const FwLrSchedule *schedule, gint64 step);
  double cycles, power, end, decay_from;
} kinds[] = {
  { "constant", FALSE, constant },
  { "constant_with_warmup", TRUE, constant },
  { "linear", TRUE, linear },
  { "cosine", TRUE, cosine, .cycles = 0.5 },
  { "cosine_with_restarts", TRUE, cosine_with_restarts, .cycles = 1 },
  { "polynomial", TRUE, polynomial, .power = 1, .end = 1e-7 },
  { "constant_then_linear", TRUE, constant_then_linear, .decay_from = 0.6 },
};

gboolean
fw_lr_schedule_init (FwLrSchedule *schedule, const char *name, gint64 warmup, gint64 total, GError **error)
{
  if (total < 1 || warmup < 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID,
                 "A run of %" G_GINT64_FORMAT " steps with %" G_GINT64_FORMAT " of warm-up makes no sense", total, warmup);
    return FALSE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_strcmp0 (kinds[i].name, name) == 0) {
      *schedule = (FwLrSchedule) {
        .after_warmup = kinds[i].after_warmup, .warmup = kinds[i].warms_up ? warmup : 0, .total = total,
        .cycles = kinds[i].cycles, .power = kinds[i].power, .end = kinds[i].end, .decay_from = kinds[i].decay_from,
      };
      return TRUE;
    }
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "Unknown learning-rate schedule “%s”", name);
  return FALSE;
}

double
fw_lr_multiplier (const FwLrSchedule *schedule, gint64 step)
{
  if (step < schedule->warmup)
    return (double) step / (double) schedule->warmup;
  return schedule->after_warmup (schedule, step);
}
