/* SPDX-License-Identifier: Apache-2.0
 * Layers that several models share: a recording function plus the names of its weights. */
#pragma once
#include "engine/graph/ops.h"

/* Linear layer @name of the current scope with @features outputs: weights name.weight [features, K], name.bias. */
FwVal fw_layer_linear (FwGraph *graph, const char *name, FwVal x, gint64 features, gboolean bias);
/* x as the graph's compute dtype: residual streams enter products through this. */
FwVal fw_to_compute (FwGraph *graph, FwVal x);
/* Group norm name.{weight,bias}, then SiLU. */
FwVal fw_layer_group_norm_silu (FwGraph *graph, const char *name, FwVal x, int groups, double epsilon);
/* 2-D convolution of [B, 1, Y, X, I] by name.{weight [O, I, k, k], bias}. */
FwVal fw_layer_conv2d (FwGraph *graph, const char *name, FwVal x, gint64 features, int kernel, int stride, int pad_front, int pad_back);
/* Timestep embedding: sinusoid of 256, Linear, SiLU, Linear (opensora-1.0 2.2); t[B] -> [B, D], weights name.mlp.{0,2}. */
FwVal fw_layer_timestep (FwGraph *graph, const char *name, FwVal t, gint64 width);
/* [B, C, T, H, W] -> tokens [B, N, D] by a patch-sized convolution name.proj (opensora-1.0 2.1), zero-padded at the ends. */
FwVal fw_layer_patch_embed (FwGraph *graph, const char *name, FwVal x, const int *patch, gint64 width);
/* Tokens [B, N, pt*ph*pw*C] of the grid (t, h, w) back to [B, C, T, H, W], channel fastest (opensora-1.0 3). */
FwVal fw_unpatchify (FwGraph *graph, FwVal x, const gint64 *grid, const int *patch, gint64 channels);
