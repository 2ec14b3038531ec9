/* SPDX-License-Identifier: Apache-2.0
 * The frame code: values, queries and keys of one head read the lowest cosines of the frame's position off the temporal table,
 * so the head hears its own frame, and its part of the projection spreads them over the stream. */
#include "engine/train/frame-code.h"

#include <math.h>

#include "engine/model/position.h"
#include "engine/train/solve.h"

enum { SINUSOID = 256, COSINES = 4, CODE_HEAD = 0, GATE = 2, GATES = 6 };

static const float deciding_timestep = 800;
static const double focus = 1.125;   /* a frame's score for itself is about this times COSINES */
static const double ridge = 0.5;     /* against the content of the stream, which the same channels carry */

static float *
find (const FwParameters *parameters, const char *name, float *flat)
{
  return flat + fw_parameters_find (parameters, name)->offset;
}

/* out[rows] = weight[rows, columns] in + bias. */
static void
affine (const float *weight, const float *bias, const double *in, int rows, int columns, double *out)
{
  for (int i = 0; i < rows; i++) {
    out[i] = bias[i];
    for (int j = 0; j < columns; j++)
      out[i] += (double) weight[(gsize) i * columns + j] * in[j];
  }
}

static void
silu (double *x, int count)
{
  for (int i = 0; i < count; i++)
    x[i] /= 1 + exp (-x[i]);
}

/* What the timestep adds to the attention gates of every block (opensora-1.0 2.2 and 3.4), gate[width]. */
static void
gate_of_timestep (const FwParameters *parameters, int width, float *flat, double *gate)
{
  float table[SINUSOID];
  double sinusoid[SINUSOID];
  g_autofree double *hidden = g_new (double, width), *embedding = g_new (double, width);
  const gsize row = (gsize) GATE * width;
  fw_timestep_sinusoid (SINUSOID, &deciding_timestep, 1, table);
  for (int i = 0; i < SINUSOID; i++)
    sinusoid[i] = table[i];
  affine (find (parameters, "t_embedder.mlp.0.weight", flat), find (parameters, "t_embedder.mlp.0.bias", flat), sinusoid, width,
          SINUSOID, hidden);
  silu (hidden, width);
  affine (find (parameters, "t_embedder.mlp.2.weight", flat), find (parameters, "t_embedder.mlp.2.bias", flat), hidden, width, width,
          embedding);
  silu (embedding, width);
  affine (find (parameters, "t_block.1.weight", flat) + row * width, find (parameters, "t_block.1.bias", flat) + row, embedding,
          width, width, gate);
}

static void
scale_rows (const FwParameters *parameters, const char *branch, const double *scale, int width, float *flat)
{
  g_autofree char *weight_name = g_strdup_printf ("blocks.0.%s.proj.weight", branch);
  g_autofree char *bias_name = g_strdup_printf ("blocks.0.%s.proj.bias", branch);
  float *weight = find (parameters, weight_name, flat), *bias = find (parameters, bias_name, flat);
  for (int i = 0; i < width; i++) {
    bias[i] *= (float) scale[i];
    for (int j = 0; j < width; j++)
      weight[i * width + j] *= (float) scale[i];
  }
}

static void
open_gate (const FwParameters *parameters, int width, float *flat)
{
  g_autofree double *gate = g_new (double, width);
  float *table = find (parameters, "blocks.0.scale_shift_table", flat) + GATE * width;
  gate_of_timestep (parameters, width, flat, gate);
  for (int i = 0; i < width; i++) {
    double before = table[i] + gate[i];
    table[i] = (float) (1 - gate[i]);
    gate[i] = before;
  }
  scale_rows (parameters, "attn", gate, width, flat);
  scale_rows (parameters, "attn_temp", gate, width, flat);
}

/* rows[COSINES, width] and offset[COSINES] for which rows table[p] + offset is about the code of position p: the solution of
 * least norm, with a ridge. */
static void
read_position (int width, int positions, double *rows, double *offset)
{
  g_autofree float *table = g_new (float, (gsize) positions * width);
  g_autofree double *mean = g_new0 (double, width), *gram = g_new0 (double, positions * positions);
  fw_position_1d (width, positions, 1, table);
  for (int p = 0; p < positions; p++)
    for (int i = 0; i < width; i++)
      mean[i] += table[p * width + i] / (double) positions;
  for (int p = 0; p < positions; p++)
    for (int q = 0; q < positions; q++)
      for (int i = 0; i < width; i++)
        gram[p * positions + q] += (table[p * width + i] - mean[i]) * (table[q * width + i] - mean[i]);
  fw_invert_definite (gram, positions, ridge);
  for (int j = 0; j < COSINES; j++) {
    double *row = rows + j * width;
    for (int i = 0; i < width; i++)
      row[i] = 0;
    for (int p = 0; p < positions; p++) {
      double weight = 0;
      for (int q = 0; q < positions; q++)
        weight += gram[p * positions + q] * G_SQRT2 * cos (G_PI * (j + 1) * (q + 0.5) / positions);
      for (int i = 0; i < width; i++)
        row[i] += weight * (table[p * width + i] - mean[i]);
    }
    offset[j] = 0;
    for (int i = 0; i < width; i++)
      offset[j] -= row[i] * mean[i];
  }
}

/* The head's rows of one of queries, keys and values: the code times @scale, and nothing. */
static void
set_head (float *weight, float *bias, int head_width, int width, const double *rows, const double *offset, double scale)
{
  for (int i = 0; i < head_width; i++) {
    bias[i] = i < COSINES ? (float) (scale * offset[i]) : 0;
    for (int j = 0; j < width; j++)
      weight[i * width + j] = i < COSINES ? (float) (scale * rows[i * width + j]) : 0;
  }
}

void
fw_frame_code (const FwParameters *parameters, const FwStditConfig *config, int positions, double strength, guint64 seed, float *flat)
{
  const int width = config->hidden_size, head_width = width / config->num_heads;
  const gsize head = (gsize) CODE_HEAD * head_width;
  g_autofree double *rows = g_new (double, COSINES * width), *offset = g_new (double, COSINES);
  float *qkv = find (parameters, "blocks.0.attn_temp.qkv.weight", flat), *bias = find (parameters, "blocks.0.attn_temp.qkv.bias", flat);
  float *projection = find (parameters, "blocks.0.attn_temp.proj.weight", flat), spread[COSINES];
  const double scales[] = { sqrt (focus * sqrt (head_width)), sqrt (focus * sqrt (head_width)), 1 };
  FwNoise noise;
  open_gate (parameters, width, flat);
  read_position (width, positions, rows, offset);
  for (gsize part = 0; part < G_N_ELEMENTS (scales); part++) {
    gsize first = part * width + head;
    set_head (qkv + first * width, bias + first, head_width, width, rows, offset, scales[part]);
  }
  fw_noise_seed (&noise, seed);
  for (int i = 0; i < width; i++) {
    fw_noise_randn (&noise, spread, COSINES);
    for (int j = 0; j < head_width; j++)
      projection[i * width + head + j] = j < COSINES ? (float) (strength / sqrt (COSINES) * spread[j]) : 0;
  }
}
