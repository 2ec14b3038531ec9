/* SPDX-License-Identifier: Apache-2.0
 * Reverse-mode differentiation as a transform: it appends the backward nodes to the same graph. */
#pragma once
#include "engine/graph/op-table.h"

/* Appends the gradient of the scalar @loss with respect to each of @parameters (external, persistent or any values) and
 * stores the results, dense, in @gradients; a parameter the loss does not depend on gets FW_NONE. With @checkpoint, the
 * nodes of every segment (fw_segment_begin) are recorded again just before they are differentiated, so that only the
 * values crossing segment borders stay alive: the same gradients from less memory and about a third more work. */
void fw_gradient (FwGraph *graph, FwVal loss, const FwVal *parameters, guint n_parameters, gboolean checkpoint, FwVal *gradients);

/* For the rules in op-*.c. The node's operand or result as the backward pass sees it (recomputed under checkpointing). */
FwGraph *fw_gradient_graph (FwGradient *gradient);
FwVal fw_gradient_in (FwGradient *gradient, const FwNode *node, guint i);
FwVal fw_gradient_out (FwGradient *gradient, const FwNode *node, guint output);
/* The gradient that arrived at an output; FW_NONE if none did. */
FwVal fw_gradient_arrived (FwGradient *gradient, const FwNode *node, guint output);
/* Whether input @i needs a gradient. */
gboolean fw_gradient_wanted (FwGradient *gradient, const FwNode *node, guint i);
/* Contributes @value, of the input's shape, to the gradient of input @i. */
void fw_gradient_add (FwGradient *gradient, const FwNode *node, guint i, FwVal value);
/* Contributes to a part of the input only: @value covers [start, start + its size) of @axis. */
void fw_gradient_add_slice (FwGradient *gradient, const FwNode *node, guint i, FwVal value, int axis, gint64 start);
