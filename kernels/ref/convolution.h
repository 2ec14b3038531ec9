/* SPDX-License-Identifier: Apache-2.0
 * What reference convolution and its gradients share: which input element a tap of the filter sees. */
#pragma once
#include "kernels/ops.h"
#include "kernels/ref/walk.h"

/* The coordinate along @axis (0 time, 1 height, 2 width) in x, of size @size there, that filter tap @tap sees from output
 * coordinate @position; -1 where it sees a zero of the padding. */
int64_t fw_ref_conv_source (const FwConvAttributes *attributes, int axis, int64_t position, int64_t tap, int64_t size);
