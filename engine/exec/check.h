/* SPDX-License-Identifier: Apache-2.0
 * Running one step under suspicion: for not-a-numbers, or against the reference kernels. */
#pragma once
#include "engine/plan/plan.h"

/* Whether all elements are finite; integers always are. */
gboolean fw_tensor_is_finite (const FwTensor *tensor);
/* Runs the step; FW_ERROR_NUMERIC if it made a NaN or Inf, or was given one from outside. @tolerance is unused. */
gboolean fw_check_finite (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call, double tolerance, GError **error);
/* Runs the step with its kernel and the reference; FW_ERROR_NUMERIC if they differ. */
gboolean fw_check_against_reference (const FwGraph *graph, const FwPlanStep *step, const FwKernelCall *call, double tolerance, GError **error);
