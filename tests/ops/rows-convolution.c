/* SPDX-License-Identifier: Apache-2.0
 * Rows for convolution and enlargement. */
#include "tests/ops/ops.h"

#define CONV(...) &(const FwConvAttributes) { __VA_ARGS__ }
#define FACTOR(t, y, x) &(const FwResampleAttributes) { { t, y, x } }
/* Forward and both gradients; @terms: products in y, in dx, and positions. */
#define CONV_ROWS(x, w, o, y, attributes, terms, positions) \
  { "conv", x " " w " " o " -> " y, attributes, terms }, \
  { "conv_grad_input", y " " w " -> " x, attributes, terms }, \
  { "conv_grad_weight", x " " y " -> " w " " o, attributes, positions }

extern const OpRow rows_convolution[];
const OpRow rows_convolution[] = {
  CONV_ROWS ("1,1,5,7,3", "4,3,1,3,3", "4", "1,1,5,7,4",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 36, 35),
  CONV_ROWS ("2,1,6,6,16", "33,16,1,3,3", "33", "2,1,6,6,33",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 300, 72),
  CONV_ROWS ("1,1,9,8,17", "16,17,1,3,3", "16", "1,1,4,4,16",
             CONV ({ 1, 2, 2 }, { 0, 0, 0 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 160, 16),
  CONV_ROWS ("1,5,4,5,8", "16,8,3,3,3", "16", "1,5,4,5,16",
             CONV ({ 1, 1, 1 }, { 2, 1, 1 }, { 0, 1, 1 }, FW_PAD_REPEAT_FRONT, 1), 432, 100),
  CONV_ROWS ("2,7,3,3,5", "6,5,3,1,1", "6", "2,4,3,3,6",
             CONV ({ 2, 1, 1 }, { 2, 0, 0 }, { 0, 0, 0 }, FW_PAD_REPEAT_FRONT, 1), 18, 72),
  CONV_ROWS ("1,4,5,5,4", "4,4,3,3,3", "4", "1,4,5,5,4",
             CONV ({ 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 }, FW_PAD_ZERO, 1), 108, 100),
  CONV_ROWS ("1,2,3,4,16", "16,16,1,3,3", "16", "1,2,6,8,16",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 2), 600, 96),
  CONV_ROWS ("1,3,8,8,4", "1152,4,1,2,2", "1152", "1,3,4,4,1152",
             CONV ({ 1, 2, 2 }, { 0 }, { 0 }, FW_PAD_ZERO, 1), 1152, 48),
  CONV_ROWS ("2,3,4,4,65", "3,65,1,1,1", "3", "2,3,4,4,3",
             CONV ({ 1, 1, 1 }, { 0 }, { 0 }, FW_PAD_ZERO, 1), 65, 96),
  CONV_ROWS ("1,1,1,1,1", "1,1,1,1,1", "1", "1,1,1,1,1",
             CONV ({ 1, 1, 1 }, { 0 }, { 0 }, FW_PAD_ZERO, 1), 1, 1),
  CONV_ROWS ("0,1,4,4,3", "2,3,1,3,3", "2", "0,1,4,4,2",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 27, 1),
  CONV_ROWS ("1,3,3,9,40", "33,40,3,3,3", "33", "1,3,3,9,33",
             CONV ({ 1, 1, 1 }, { 2, 1, 1 }, { 0, 1, 1 }, FW_PAD_REPEAT_FRONT, 1), 1080, 81),
  CONV_ROWS ("2,1,4,20,24", "40,24,1,3,3", "40", "2,1,2,10,40",
             CONV ({ 1, 2, 2 }, { 0, 0, 0 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 360, 40),
  CONV_ROWS ("1,2,2,150,16", "5,16,1,3,3", "5", "1,2,2,150,5",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 144, 600),
  CONV_ROWS ("2,1,3,8,7", "8,7,1,3,3", "8", "2,1,6,16,8",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 2), 288, 192),
  CONV_ROWS ("1,1,3,12,256", "32,256,1,3,3", "32", "1,1,3,12,32",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 2304, 36),
  CONV_ROWS ("2,1,3,9,24", "16,24,1,1,1", "16", "2,1,3,9,16",
             CONV ({ 1, 1, 1 }, { 0 }, { 0 }, FW_PAD_ZERO, 1), 24, 54),
  CONV_ROWS ("1,1,2,8,70", "260,70,1,3,3", "260", "1,1,2,8,260",
             CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 2340, 16),
  { "conv", "1,1,17,33,4 8,4,1,3,3 - -> 1,1,17,33,8", CONV ({ 1, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 }, FW_PAD_ZERO, 1), 36 },

  { "resample", "1,2,3,4,5 -> 1,2,6,8,5", FACTOR (1, 2, 2) },
  { "resample", "2,3,2,3,17 -> 2,6,4,6,17", FACTOR (2, 2, 2) },
  { "resample", "1,2,2,2,65 -> 1,2,2,6,65", FACTOR (1, 1, 3) },
  { "resample", "1,1,0,2,3 -> 1,1,0,4,3", FACTOR (1, 2, 2) },
  { "resample_grad", "1,2,6,8,5 -> 1,2,3,4,5", FACTOR (1, 2, 2), 4 },
  { "resample_grad", "2,6,4,6,17 -> 2,3,2,3,17", FACTOR (2, 2, 2), 8 },
  { "resample_grad", "1,2,2,6,65 -> 1,2,2,2,65", FACTOR (1, 1, 3), 3 },
  { "resample_grad", "1,1,0,4,3 -> 1,1,0,2,3", FACTOR (1, 2, 2), 4 },
  { NULL },
};
