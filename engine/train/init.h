/* SPDX-License-Identifier: Apache-2.0
 * Initial weights: distributions, and a table of rules by parts of names. */
#pragma once
#include "engine/train/parameters.h"

/* How one tensor is drawn; @fan_in and @fan_out follow torch (a convolution counts its kernel). */
typedef enum {
  FW_INIT_ZERO, FW_INIT_ONE,
  FW_INIT_NORMAL,        /* standard deviation @scale */
  FW_INIT_UNIT_GAIN,     /* normal, standard deviation @scale / sqrt(fan_in) */
  FW_INIT_XAVIER,        /* uniform within @scale * sqrt(6 / (fan_in + fan_out)) */
  FW_INIT_N
} FwInitKind;

/* Tensors whose name ends with @suffix and contains @part (each may be NULL). The first rule that fits is used. */
typedef struct {
  const char *suffix, *part;
  FwInitKind kind;
  double scale;
} FwInitRule;

/* Draws all parameters into @flat by @rules, ended by a rule without suffix and part. Each tensor's numbers depend on @seed
 * and its name alone. */
void fw_init_parameters (const FwParameters *parameters, const FwInitRule *rules, guint64 seed, float *flat);
