/* SPDX-License-Identifier: Apache-2.0
 * The gradient of reference attention. Softmax weights are computed anew for each block of queries; once with the sums over
 * queries for dq, dk and dv, and once with those over the batch for dbias. */
#include "kernels/ref/attention.h"
#include "kernels/ref/ref.h"

/* Scratch, cut into its parts. */
typedef struct {
  int64_t n_queries, n_heads, n_keys, key_width, value_width;
  double *key, *value;                /* one row of k and of v */
  double *queries, *slopes, *results; /* a block of q, do and dq */
  double *log_sums;                   /* a block */
  double *weights, *score_slopes;     /* [block, Nk]: softmax, and the derivative by its argument */
  double *sums;                       /* [block, Nk] for dbias */
  double *key_sums, *value_sums;      /* [Nk, K] and [Nk, V] for dk and dv */
} Room;

static Room
cut_room (const FwKernelCall *call, size_t *size)
{
  const FwTensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
  Room room = { q->dim[2], q->dim[3], k->dim[2], k->dim[4], v->dim[4] };
  int64_t block = FW_REF_BLOCK_QUERIES;
  struct { double **part; int64_t count; } parts[] = {
    { &room.key, room.key_width }, { &room.value, room.value_width },
    { &room.queries, block * room.key_width }, { &room.slopes, block * room.value_width },
    { &room.results, block * room.key_width }, { &room.log_sums, block },
    { &room.weights, block * room.n_keys }, { &room.score_slopes, block * room.n_keys }, { &room.sums, block * room.n_keys },
    { &room.key_sums, room.n_keys * room.key_width }, { &room.value_sums, room.n_keys * room.value_width },
  };
  int64_t total = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    *parts[i].part = call->scratch != NULL ? (double *) call->scratch + total : NULL;
    total += parts[i].count;
  }
  *size = (size_t) total * sizeof (double);
  return room;
}

static size_t
attention_grad_scratch (const FwKernelCall *call)
{
  FwKernelCall question = *call;
  size_t size;
  question.scratch = NULL;
  cut_room (&question, &size);
  return size;
}

static int64_t
block_count (const Room *room, int64_t first)
{
  return room->n_queries - first < FW_REF_BLOCK_QUERIES ? room->n_queries - first : FW_REF_BLOCK_QUERIES;
}

/* Fills queries, slopes, weights and score_slopes for the block of queries from @first on. */
static void
differentiate_scores (const FwKernelCall *call, const Room *room, int64_t b1, int64_t b2, int64_t head, int64_t first)
{
  int64_t count = block_count (room, first);
  for (int64_t i = 0; i < count; i++) {
    WalkRow q = fw_ref_head_row (&call->in[0], b1, b2, first + i, head);
    WalkRow slope = fw_ref_head_row (&call->in[6], b1, b2, first + i, head);
    walk_load (&q, room->key_width, room->queries + i * room->key_width);
    walk_load (&slope, room->value_width, room->slopes + i * room->value_width);
  }
  fw_ref_attention_weights (call, b1, b2, head, first, count, room->queries, room->key, room->weights, room->log_sums);
  for (int64_t j = 0; j < room->n_keys; j++) {
    WalkRow v = fw_ref_head_row (&call->in[2], b1, b2, j, head);
    walk_load (&v, room->value_width, room->value);
    for (int64_t i = 0; i < count; i++)
      room->score_slopes[i * room->n_keys + j] = fw_ref_attends (call, b1, first + i, j)
        ? walk_dot (room->slopes + i * room->value_width, room->value, room->value_width) : 0;
  }
  for (int64_t i = 0; i < count; i++) {
    const double *weights = room->weights + i * room->n_keys;
    double *slopes = room->score_slopes + i * room->n_keys, mean = walk_dot (weights, slopes, room->n_keys);
    for (int64_t j = 0; j < room->n_keys; j++)
      slopes[j] = weights[j] * (slopes[j] - mean);
  }
}

/* Stores dq of one block and adds its part to key_sums and value_sums. */
static void
differentiate_block (const FwKernelCall *call, const Room *room, int64_t b1, int64_t b2, int64_t head, int64_t first)
{
  const FwAttentionAttributes *attributes = call->attributes;
  int64_t count = block_count (room, first), key_width = room->key_width, value_width = room->value_width;
  differentiate_scores (call, room, b1, b2, head, first);
  walk_clear (room->results, count * key_width);
  for (int64_t j = 0; j < room->n_keys; j++) {
    WalkRow k = fw_ref_head_row (&call->in[1], b1, b2, j, head);
    walk_load (&k, key_width, room->key);
    for (int64_t i = 0; i < count; i++) {
      double slope = attributes->scale * room->score_slopes[i * room->n_keys + j], weight = room->weights[i * room->n_keys + j];
      walk_add_scaled (room->results + i * key_width, slope, room->key, key_width);
      walk_add_scaled (room->key_sums + j * key_width, slope, room->queries + i * key_width, key_width);
      walk_add_scaled (room->value_sums + j * value_width, weight, room->slopes + i * value_width, value_width);
    }
  }
  for (int64_t i = 0; i < count && fw_present (&call->out[0]); i++) {
    WalkRow dq = fw_ref_head_row (&call->out[0], b1, b2, first + i, head);
    walk_store (&dq, key_width, room->results + i * key_width);
  }
}

/* dq, dk and dv. @group counts along B2 of dk and dv: one group for all where they are shared. */
static void
differentiate_projections (const FwKernelCall *call, const Room *room, int64_t b1, int64_t group, int64_t head)
{
  const FwTensor *dk = &call->out[1], *dv = &call->out[2];
  int64_t b2_begin = dk->dim[1] == 1 ? 0 : group, b2_end = dk->dim[1] == 1 ? call->in[0].dim[1] : group + 1;
  walk_clear (room->key_sums, room->n_keys * room->key_width);
  walk_clear (room->value_sums, room->n_keys * room->value_width);
  for (int64_t b2 = b2_begin; b2 < b2_end; b2++)
    for (int64_t first = 0; first < room->n_queries; first += FW_REF_BLOCK_QUERIES)
      differentiate_block (call, room, b1, b2, head, first);
  for (int64_t j = 0; j < room->n_keys; j++) {
    WalkRow key = fw_ref_head_row (dk, b1, group, j, head), value = fw_ref_head_row (dv, b1, group, j, head);
    walk_store (&key, room->key_width, room->key_sums + j * room->key_width);
    walk_store (&value, room->value_width, room->value_sums + j * room->value_width);
  }
}

static void
differentiate_bias (const FwKernelCall *call, const Room *room, int64_t head, int64_t first)
{
  const FwTensor *q = &call->in[0], *dbias = &call->out[3];
  int64_t count = block_count (room, first);
  walk_clear (room->sums, count * room->n_keys);
  for (int64_t b1 = 0; b1 < q->dim[0]; b1++)
    for (int64_t b2 = 0; b2 < q->dim[1]; b2++) {
      differentiate_scores (call, room, b1, b2, head, first);
      walk_add_scaled (room->sums, 1, room->score_slopes, count * room->n_keys);
    }
  for (int64_t i = 0; i < count; i++) {
    WalkRow row = walk_line (dbias, head * dbias->stride[0] + (first + i) * dbias->stride[1], 2);
    walk_store (&row, room->n_keys, room->sums + i * room->n_keys);
  }
}

static void
run_attention_grad (const FwKernelCall *call)
{
  size_t size;
  Room room = cut_room (call, &size);
  for (int64_t b1 = 0; b1 < call->in[0].dim[0]; b1++)
    for (int64_t group = 0; group < call->out[1].dim[1]; group++)
      for (int64_t head = 0; head < room.n_heads; head++)
        differentiate_projections (call, &room, b1, group, head);
  if (!fw_present (&call->out[3]))
    return;
  for (int64_t head = 0; head < room.n_heads; head++)
    for (int64_t first = 0; first < room.n_queries; first += FW_REF_BLOCK_QUERIES)
      differentiate_bias (call, &room, head, first);
}

const FwKernel fw_ref_attention_grad = { run_attention_grad, attention_grad_scratch };
