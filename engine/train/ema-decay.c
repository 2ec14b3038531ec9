/* SPDX-License-Identifier: Apache-2.0
 * The decay of the moving average of weights. */
#include "engine/train/ema-decay.h"

#include <math.h>

FwEmaRule
fw_ema_rule (double decay)
{
  return (FwEmaRule) { .decay = decay, .inv_gamma = 1, .power = 2.0 / 3 };
}

double
fw_ema_decay (const FwEmaRule *rule, gint64 step)
{
  double averaged = (double) (step - rule->update_after - 1);
  if (averaged <= 0)
    return 0;
  double decay = rule->warmup ? 1 - pow (1 + averaged / rule->inv_gamma, -rule->power) : (1 + averaged) / (10 + averaged);
  return MAX (MIN (decay, rule->decay), rule->min_decay);
}
