/* SPDX-License-Identifier: Apache-2.0
 * Rows for the norms: plain, with weights, and modulated. */
#include "tests/ops/ops.h"

#define EPSILON(epsilon) &(const FwNormAttributes) { epsilon }
#define GROUPS(groups, function) &(const FwGroupNormAttributes) { 1e-6, groups, FW_FN_##function }

extern const OpRow rows_norm[];
const OpRow rows_norm[] = {
  { "layer_norm", "3,17 - - - - -> 3,17", EPSILON (1e-6), 17 },
  { "layer_norm", "5,65 65 65 - - -> 5,65", EPSILON (1e-5), 65 },
  { "layer_norm", "2,5,48 - - 2,5*,48 2,5*,48 -> 2,5,48", EPSILON (1e-6), 48 },
  { "layer_norm", "2,3,5,33 - - 2,3,5*,33 2,3,5*,33 -> 2,3,5,33", EPSILON (1e-6), 33 },
  { "layer_norm", "2,3,33 - - 2*,3,33 2*,3,33 -> 2,3,33", EPSILON (1e-6), 33 },
  { "layer_norm", "3,1152 1152 1152 - - -> 3,1152", EPSILON (1e-6), 1152 },
  { "layer_norm", "70,63 - - - - -> 70,63", EPSILON (1e-6), 63, 3, 5 },
  { "layer_norm", "4,1 1 1 - - -> 4,1", EPSILON (1e-2), 1 },
  { "layer_norm", "0,8 8 8 - - -> 0,8", EPSILON (1e-6), 8 },

  { "layer_norm_grad", "3,17 - - 3,17 - -> 3,17 - - - -", EPSILON (1e-6), 17 },
  { "layer_norm_grad", "5,65 65 - 5,65 - -> 5,65 65 65 - -", EPSILON (1e-5), 65 },
  { "layer_norm_grad", "2,5,48 - 2,5*,48 2,5,48 - -> 2,5,48 - - 2,1,48 2,1,48", EPSILON (1e-6), 48 },
  { "layer_norm_grad", "2,3,5,33 - 2,3,5*,33 2,3,5,33 - -> 2,3,5,33 - - 2,3,1,33 2,3,1,33", EPSILON (1e-6), 33 },
  { "layer_norm_grad", "2,3,33 - 2*,3,33 2,3,33 - -> 2,3,33 - - 1,3,33 1,3,33", EPSILON (1e-6), 33 },
  { "layer_norm_grad", "200,33 33 - 200,33 - -> 200,33 33 33 - -", EPSILON (1e-6), 200 },
  { "layer_norm_grad", "2,150,17 - 2,150*,17 2,150,17 - -> 2,150,17 - - 2,1,17 2,1,17", EPSILON (1e-6), 150 },
  { "layer_norm_grad", "2,5,48 - 2,5*,48 2,5,48 2,5,48 -> 2,5,48 - - 2,1,48 2,1,48", EPSILON (1e-6), 48 },
  { "layer_norm_grad", "3,530 530 - 3,530 3,530 -> 3,530 530 530 - - -", EPSILON (1e-6), 530 },
  { "layer_norm_grad", "2,5,48 - 2,5*,48 2,5,48 2,5,48 -> 2,5,48 - - 2,1,48 2,1,48 2,5,48", EPSILON (1e-6), 48 },
  { "layer_norm_grad", "3,530 530 - 3,530 - -> 3,530 530 530 - - 3,530", EPSILON (1e-6), 530 },
  { "layer_norm_grad", "4,1 1 - 4,1 - -> 4,1 1 1 - -", EPSILON (1e-2), 4 },
  { "layer_norm_grad", "0,8 8 - 0,8 - -> 0,8 8 8 - -", EPSILON (1e-6), 8 },

  { "rms_norm", "3,17 17 -> 3,17", EPSILON (1e-6), 17 },
  { "rms_norm", "2,5,65 65 -> 2,5,65", EPSILON (1e-6), 65 },
  { "rms_norm", "3,1152 1152 -> 3,1152", EPSILON (1e-6), 1152 },
  { "rms_norm", "4,1 1 -> 4,1", EPSILON (1e-2), 1 },
  { "rms_norm", "0,8 8 -> 0,8", EPSILON (1e-6), 8 },
  { "rms_norm_grad", "3,17 17 3,17 -> 3,17 17", EPSILON (1e-6), 17 },
  { "rms_norm_grad", "2,5,65 65 2,5,65 -> 2,5,65 65", EPSILON (1e-6), 65 },
  { "rms_norm_grad", "200,33 33 200,33 -> 200,33 33", EPSILON (1e-6), 200 },
  { "rms_norm_grad", "4,1 1 4,1 -> 4,1 1", EPSILON (1e-2), 4 },
  { "rms_norm_grad", "0,8 8 0,8 -> 0,8 8", EPSILON (1e-6), 8 },

  { "group_norm", "2,1,5,7,12 12 12 -> 2,1,5,7,12", GROUPS (3, IDENTITY), 140 },
  { "group_norm", "1,2,3,4,64 64 64 -> 1,2,3,4,64", GROUPS (32, SILU), 48 },
  { "group_norm", "2,17,33 33 33 -> 2,17,33", GROUPS (1, SILU), 561 },
  { "group_norm", "1,1,9,9,96 96 96 -> 1,1,9,9,96", GROUPS (32, IDENTITY), 243 },
  { "group_norm", "3,40,4 4 4 -> 3,40,4", GROUPS (4, IDENTITY), 40, 3, 5 },
  { "group_norm", "0,4,4 4 4 -> 0,4,4", GROUPS (2, SILU), 8 },
  { "group_norm_grad", "2,1,5,7,12 12 12 2,1,5,7,12 -> 2,1,5,7,12 12 12", GROUPS (3, IDENTITY), 140 },
  { "group_norm_grad", "1,2,3,4,64 64 64 1,2,3,4,64 -> 1,2,3,4,64 64 64", GROUPS (32, SILU), 48 },
  { "group_norm_grad", "2,17,33 33 33 2,17,33 -> 2,17,33 33 33", GROUPS (1, SILU), 561 },
  { "group_norm_grad", "0,4,4 4 4 0,4,4 -> 0,4,4 4 4", GROUPS (2, SILU), 8 },
  { NULL },
};
