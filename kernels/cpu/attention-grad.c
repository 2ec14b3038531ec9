/* SPDX-License-Identifier: Apache-2.0
 * The gradient of attention. Weights are computed anew from the log of the sums that attention left behind. Scores are kept
 * transposed, a row for each key, so that weights come out as the rows that dv and dk want; only dq needs them turned. */
#include <math.h>

#include "kernels/cpu/attention-few.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

enum { MOST_QUERIES = 128, MOST_KEYS = 128, MOST_FETCHED = 128, ROWS_AHEAD = 8, FLOPS_PER_RANGE = 1 << 24 };
enum { SCORE_STRIDE = MOST_QUERIES + 16 };

typedef struct {
  const FwKernelCall *call;
  const FwMicroKernel *kernel;
  int64_t batches, sequences, heads, queries, keys, width, value_width; /* batches: B1, sequences: B2 */
  int64_t block_queries, block_keys;
  int64_t key_stride, value_stride;
  bool shared;  /* keys and values are shared by all sequences of a batch, and so are their gradients */
  bool bias;    /* dbias is wanted: all batches of a head are one item */
  float scale;
  bool causal;
  int64_t worker_bytes;
} Attention;

/* A worker's scratch. "Rows" are blocks of A, "columns" and "across" panels of B, see attention.h. */
typedef struct {
  char *key_rows, *value_rows, *key_across;
  char *query_columns, *slope_columns, *query_across, *slope_across;
  char *weight_rows, *score_rows, *turned_rows;
  float *scores, *slopes;      /* [keys][queries]: scores and their derivatives; weights and the derivatives by them */
  float *dk, *dv;              /* [all keys][width] */
  float *dq;                   /* [all queries][width] */
  float *lse, *mean;           /* [all queries]; lse: as powers of two; mean: do . o */
  float *dbias;                /* [all queries][all keys] */
} Room;

static int64_t
plan (Attention *attention, const FwKernelCall *call)
{
  const FwAttentionAttributes *attributes = call->attributes;
  const FwTensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2], *dk = &call->out[1];
  *attention = (Attention) { .call = call, .kernel = fw_micro_for (q->dtype), .batches = q->dim[0], .sequences = q->dim[1],
                             .heads = q->dim[3], .queries = q->dim[2], .keys = k->dim[2], .width = q->dim[4],
                             .value_width = v->dim[4], .bias = fw_present (&call->out[3]),
                             .shared = fw_shares_keys (q, dk),
                             .scale = (float) attributes->scale, .causal = attributes->causal };
  attention->block_queries = FW_MIN (attention->queries, MOST_QUERIES);
  attention->block_keys = FW_MIN (attention->keys, MOST_KEYS);
  attention->key_stride = fw_round_up (attention->width, 32) + 16;
  attention->value_stride = fw_round_up (attention->value_width, 32) + 16;
  if (attention->bias)
    return attention->heads;
  return attention->batches * attention->heads * (attention->shared ? 1 : attention->sequences);
}

static int64_t
cut_room (const Attention *attention, char *bytes, Room *room)
{
  const FwMicroKernel *kernel = attention->kernel;
  int64_t keys = fw_round_up (attention->block_keys, FW_ROW_PADDING);
  int64_t queries = fw_round_up (attention->block_queries, FW_ROW_PADDING);
  int64_t all_queries = attention->queries + FW_ROW_PADDING, all_keys = attention->keys + FW_ROW_PADDING, place = 0;
  int64_t width = attention->width, value_width = attention->value_width;
  int64_t block_keys = attention->block_keys, block_queries = attention->block_queries;
  struct { char **part; int64_t size; } packed[] = {
    { &room->key_rows, fw_rows_bytes (kernel, keys, width) }, { &room->value_rows, fw_rows_bytes (kernel, keys, value_width) },
    { &room->key_across, fw_columns_bytes (kernel, width, block_keys) },
    { &room->query_columns, fw_columns_bytes (kernel, block_queries, width) },
    { &room->slope_columns, fw_columns_bytes (kernel, block_queries, value_width) },
    { &room->query_across, fw_columns_bytes (kernel, width, block_queries) },
    { &room->slope_across, fw_columns_bytes (kernel, value_width, block_queries) },
    { &room->weight_rows, keys * kernel->row_bytes }, { &room->score_rows, keys * kernel->row_bytes },
    { &room->turned_rows, queries * kernel->row_bytes },
  };
  struct { float **part; int64_t count; } floats[] = {
    { &room->scores, keys * SCORE_STRIDE }, { &room->slopes, keys * SCORE_STRIDE },
    { &room->dk, all_keys * attention->key_stride }, { &room->dv, all_keys * attention->value_stride },
    { &room->dq, all_queries * attention->key_stride }, { &room->lse, all_queries }, { &room->mean, all_queries },
    { &room->dbias, attention->call->in[4].rank < 0 ? 0 : attention->queries * attention->keys },
  };
  for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++) {
    *packed[i].part = fw_room_at (bytes, place);
    place += fw_round_up (packed[i].size, 64);
  }
  for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
    *floats[i].part = fw_room_at (bytes, place);
    place += fw_round_up (floats[i].count * 4, 64);
  }
  return place;
}

/* One sequence of one head, and where in it a block of queries meets a block of keys. */
typedef struct Meeting {
  int64_t b1, b2, head;
  FwHead q, k, v, o, slope, dq, dk, dv;
  int64_t query, queries, key, keys;
  FwHeadRows key_rows, value_rows; /* of this block of keys */
  const struct Meeting *next; /* the sequence after it; NULL if there is none */
} Meeting;

/* What is asked for during product @product of a block, of @rows, @columns and @depth: rows that are soon written, and rows that the
 * next sequence begins with. */
enum { PRODUCTS = 5 };

static FwFetching
expect (const FwMicroKernel *kernel, const Meeting *meeting, int product, int64_t rows, int64_t columns, int64_t depth)
{
  const FwHead *written[PRODUCTS] = { &meeting->dv, &meeting->dk };
  const Meeting *next = meeting->next;
  FwFetching fetching = fw_block_fetching (kernel, rows, columns, depth);
  if (meeting->key == 0 && product == 2)
    fw_expect_head (&fetching, &meeting->dq, meeting->query, meeting->queries);
  if (meeting->key > 0 || meeting->query > 0)
    return fetching;
  if (written[product] != NULL)
    fw_expect_head (&fetching, written[product], 0, MOST_FETCHED);
  if (next != NULL) {
    const FwHead *read[PRODUCTS] = { &next->o, &next->slope, &next->k, &next->v, &next->q };
    fw_expect_head (&fetching, read[product], 0, MOST_FETCHED);
  }
  return fetching;
}

static FW_ALWAYS_INLINE float
dot (const bool a_bf16, const void *a, int64_t a_place, const bool b_bf16, const void *b, int64_t b_place, int64_t width)
{
  FwVec sum = vec_zero ();
  int64_t i = 0;
  for (; i + VEC <= width; i += VEC)
    sum = vec_fma (row_load_any (a_bf16, a, a_place + i, VEC), row_load_any (b_bf16, b, b_place + i, VEC), sum);
  if (i < width)
    sum = vec_fma (row_load_any (a_bf16, a, a_place + i, width - i), row_load_any (b_bf16, b, b_place + i, width - i), sum);
  return vec_sum (sum);
}

/* The dot product of row @row of two heads. */
static float
dot_of_rows (const FwHead *a, const FwHead *b, int64_t row)
{
  bool a_bf16 = a->tensor->dtype == FW_DTYPE_BF16, b_bf16 = b->tensor->dtype == FW_DTYPE_BF16;
  int64_t a_place = a->place + row * a->stride, b_place = b->place + row * b->stride;
  if (a_bf16 && b_bf16)
    return dot (true, a->tensor->data, a_place, true, b->tensor->data, b_place, a->width);
  return dot (a_bf16, a->tensor->data, a_place, b_bf16, b->tensor->data, b_place, a->width);
}

/* lse and the dot products of do and o, for all queries. */
static void
load_statistics (const Attention *attention, const Room *room, const Meeting *meeting)
{
  const FwTensor *lse = &attention->call->in[7];
  int64_t place = meeting->b1 * lse->stride[0] + meeting->b2 * lse->stride[1] + meeting->head * lse->stride[2];
  const float *values = fw_run_load (lse, place, lse->stride[3], attention->queries, room->lse);
  row_scale (values, room->lse, attention->queries, FW_LOG2_E);
  for (int64_t query = 0; query < attention->queries; query++) {
    if (query + ROWS_AHEAD >= MOST_FETCHED) { /* the rows before came while the sequence before was worked on */
      fw_fetch_head (&meeting->o, query + ROWS_AHEAD, 1);
      fw_fetch_head (&meeting->slope, query + ROWS_AHEAD, 1);
    }
    room->mean[query] = dot_of_rows (&meeting->o, &meeting->slope, query);
  }
}

VEC_INLINE void
store_number (const FwMicroKernel *kernel, char *row, int64_t i, FwVec value)
{
  if (kernel->bf16)
    vec_store_bf16 ((uint16_t *) (void *) row + i, value);
  else
    vec_store ((float *) (void *) row + i, value);
}

/* The scores of one key become weights p = exp(s - lse), taken as powers of two, and the slopes ds = p * (dp - mean), both packed
 * as rows of A; ds is left in the scores too. Queries before @from do not see the key; the depth is filled up with zeros to
 * @padded. */
static void
differentiate_key (const Attention *attention, const Room *room, const Meeting *meeting, int64_t key, int64_t from, int64_t padded)
{
  const FwTensor *bias = &attention->call->in[4];
  const FwMicroKernel *kernel = attention->kernel;
  float *scores = room->scores + key * SCORE_STRIDE, *slopes = room->slopes + key * SCORE_STRIDE, biases[MOST_QUERIES];
  const float *lse = room->lse + meeting->query, *mean = room->mean + meeting->query, *added = NULL;
  char *weight_row = room->weight_rows + key * kernel->row_bytes, *score_row = room->score_rows + key * kernel->row_bytes;
  if (fw_present (bias)) {
    int64_t place = meeting->head * bias->stride[0] + meeting->query * bias->stride[1] + (meeting->key + key) * bias->stride[2];
    added = fw_run_load (bias, place, bias->stride[1], meeting->queries, biases);
  }
  FwVec scale = vec_set (attention->scale), unit = vec_set (attention->scale * FW_LOG2_E);
  for (int64_t i = 0; i < padded; i += VEC) {
    FwVec weight = vec_zero (), slope = vec_zero ();
    if (i < meeting->queries && i + VEC > from) {
      FwVec exponent = vec_fma (unit, vec_load (scores + i), -row_load (lse, i, meeting->queries));
      if (added)
        exponent = vec_fma (vec_set (FW_LOG2_E), row_load (added, i, meeting->queries), exponent);
      weight = vec_exp2 (vec_min (vec_zero (), exponent)); /* no weight is above 1, however lse was rounded; NaN stays */
      slope = weight * (vec_load (slopes + i) - row_load (mean, i, meeting->queries));
      if (i + VEC > meeting->queries) {
        weight = vec_keep (weight, meeting->queries - i);
        slope = vec_keep (slope, meeting->queries - i);
      }
      if (i < from) {
        weight = vec_drop (weight, from - i);
        slope = vec_drop (slope, from - i);
      }
    }
    store_number (kernel, weight_row, i, weight);
    store_number (kernel, score_row, i, slope * scale);
    vec_store (scores + i, slope);
  }
}

static void
add_to_bias (const Attention *attention, const Room *room, const Meeting *meeting)
{
  for (int64_t key = 0; key < meeting->keys; key++)
    for (int64_t i = 0; i < meeting->queries; i++)
      room->dbias[(meeting->query + i) * attention->keys + meeting->key + key] += room->scores[key * SCORE_STRIDE + i];
}

static void
differentiate_block (const Attention *attention, const Room *room, const Meeting *meeting, bool first)
{
  const FwTensor *mask = &attention->call->in[3];
  const FwMicroKernel *kernel = attention->kernel;
  int64_t queries = meeting->queries, keys = meeting->keys, width = attention->width, value_width = attention->value_width;
  int64_t query_depth = fw_round_up (queries, kernel->step), key_depth = fw_round_up (keys, kernel->step);
  fw_pack_head_columns (kernel, &meeting->q, meeting->query, queries, room->query_columns);
  FwFetching fetching = expect (kernel, meeting, 0, keys, queries, width);
  fw_multiply_width (kernel, keys, queries, width, meeting->key_rows, room->query_columns, room->scores, SCORE_STRIDE, &fetching);
  fw_pack_head_columns (kernel, &meeting->slope, meeting->query, queries, room->slope_columns);
  fetching = expect (kernel, meeting, 1, keys, queries, value_width);
  fw_multiply_width (kernel, keys, queries, value_width, meeting->value_rows, room->slope_columns, room->slopes, SCORE_STRIDE,
                     &fetching);
  for (int64_t key = 0; key < keys; key++) {
    int64_t from = attention->causal ? FW_MAX (0, meeting->key + key - meeting->query) : 0;
    differentiate_key (attention, room, meeting, key, fw_key_counts (mask, meeting->b1, meeting->key + key) ? from : queries + VEC, query_depth);
  }
  if (attention->bias)
    add_to_bias (attention, room, meeting);

  fw_pack_head_across (kernel, &meeting->slope, meeting->query, queries, room->slope_across);
  fetching = expect (kernel, meeting, 2, keys, value_width, query_depth);
  fw_multiply_block (kernel, keys, value_width, query_depth, room->weight_rows, kernel->row_bytes, room->slope_across,
                     fw_panel_bytes (kernel, queries), room->dv + meeting->key * attention->value_stride,
                     attention->value_stride, !first, &fetching);
  fw_pack_head_across (kernel, &meeting->q, meeting->query, queries, room->query_across);
  fetching = expect (kernel, meeting, 3, keys, width, query_depth);
  fw_multiply_block (kernel, keys, width, query_depth, room->score_rows, kernel->row_bytes, room->query_across,
                     fw_panel_bytes (kernel, queries), room->dk + meeting->key * attention->key_stride, attention->key_stride,
                     !first, &fetching);

  FwLines turned = { .data = room->scores, .dtype = FW_DTYPE_F32, .stride = SCORE_STRIDE, .step = 1 };
  fw_pack_rows_across (kernel, room->turned_rows, &turned, 0, queries, keys, key_depth);
  fetching = expect (kernel, meeting, 4, queries, width, key_depth);
  fw_multiply_block (kernel, queries, width, key_depth, room->turned_rows, kernel->row_bytes, room->key_across,
                     fw_panel_bytes (kernel, keys), room->dq + meeting->query * attention->key_stride, attention->key_stride,
                     meeting->key > 0, &fetching);
}

static Meeting
meet (const Attention *attention, int64_t b1, int64_t b2, int64_t head)
{
  const FwTensor *in = attention->call->in, *out = attention->call->out;
  return (Meeting) { .b1 = b1, .b2 = b2, .head = head,
                     .q = fw_head (&in[0], b1, b2, head), .k = fw_head (&in[1], b1, b2, head), .v = fw_head (&in[2], b1, b2, head),
                     .o = fw_head (&in[5], b1, b2, head), .slope = fw_head (&in[6], b1, b2, head),
                     .dq = fw_head (&out[0], b1, b2, head), .dk = fw_head (&out[1], b1, b2, head),
                     .dv = fw_head (&out[2], b1, b2, head) };
}

static void
store_rows (const FwTensor *out, const Meeting *meeting, int64_t count, const float *rows, int64_t stride, float factor)
{
  if (!fw_present (out))
    return;
  FwHead head = fw_head (out, meeting->b1, meeting->b2, meeting->head);
  fw_store_head_rows (&head, 0, count, rows, stride, factor, NULL);
}

static bool
stopped (const Attention *attention)
{
  const FwParallel *parallel = attention->call->parallel;
  return parallel->stopped != NULL && parallel->stopped (parallel);
}

/* All of one sequence: dq is stored, dk and dv are left in @room, added to what is there unless this is the @first. */
static void
differentiate_sequence (const Attention *attention, const Room *room, Meeting *meeting, bool first)
{
  const FwMicroKernel *kernel = attention->kernel;
  load_statistics (attention, room, meeting);
  if (attention->keys == 0)
    memset (room->dq, 0, (size_t) (attention->queries * attention->key_stride) * sizeof (float));
  if (attention->queries == 0) {
    memset (room->dk, 0, (size_t) (attention->keys * attention->key_stride) * sizeof (float));
    memset (room->dv, 0, (size_t) (attention->keys * attention->value_stride) * sizeof (float));
  }
  for (meeting->key = 0; meeting->key < attention->keys; meeting->key += attention->block_keys) {
    meeting->keys = FW_MIN (attention->block_keys, attention->keys - meeting->key);
    meeting->key_rows = fw_head_rows (kernel, &meeting->k, meeting->key, meeting->keys, room->key_rows);
    meeting->value_rows = fw_head_rows (kernel, &meeting->v, meeting->key, meeting->keys, room->value_rows);
    fw_pack_head_across (kernel, &meeting->k, meeting->key, meeting->keys, room->key_across);
    for (meeting->query = 0; meeting->query < attention->queries; meeting->query += attention->block_queries) {
      if (stopped (attention))
        return;
      meeting->queries = FW_MIN (attention->block_queries, attention->queries - meeting->query);
      fw_fetch_head (&meeting->q, meeting->query + meeting->queries, attention->block_queries);
      differentiate_block (attention, room, meeting, first && meeting->query == 0);
    }
  }
  store_rows (&attention->call->out[0], meeting, attention->queries, room->dq, attention->key_stride, attention->scale);
}

/* The sequences from that of @first on that share keys, @count of them. @after is the sequence that comes after them, or NULL. */
static void
differentiate_group (const Attention *attention, const Room *room, const Meeting *first, int64_t count, const Meeting *after)
{
  const FwKernelCall *call = attention->call;
  Meeting meeting = *first, next = { 0 };
  for (int64_t i = 0; i < count; i++) {
    meeting.next = after;
    if (i + 1 < count) {
      next = meet (attention, first->b1, first->b2 + i + 1, first->head);
      meeting.next = &next;
    }
    differentiate_sequence (attention, room, &meeting, i == 0);
    if (i + 1 < count)
      meeting = next;
  }
  store_rows (&call->out[1], first, attention->keys, room->dk, attention->key_stride, 1);
  store_rows (&call->out[2], first, attention->keys, room->dv, attention->value_stride, 1);
}

static void
differentiate_head (const Attention *attention, const Room *room, int64_t head)
{
  const FwTensor *dbias = &attention->call->out[3];
  int64_t count = attention->shared ? attention->sequences : 1;
  memset (room->dbias, 0, (size_t) (attention->queries * attention->keys) * sizeof (float));
  for (int64_t b1 = 0; b1 < attention->batches; b1++)
    for (int64_t b2 = 0; b2 < attention->sequences; b2 += count) {
      Meeting first = meet (attention, b1, b2, head);
      differentiate_group (attention, room, &first, count, NULL);
    }
  for (int64_t query = 0; query < attention->queries; query++)
    fw_run_store (dbias, head * dbias->stride[0] + query * dbias->stride[1], attention->keys,
                  room->dbias + query * attention->keys);
}

/* The sequence that item @item begins with, where heads are not items themselves. */
static Meeting
meet_item (const Attention *attention, int64_t item)
{
  int64_t count = attention->shared ? attention->sequences : 1, groups = attention->sequences / count, heads = attention->heads;
  return meet (attention, item / heads / groups, item / heads % groups * count, item % heads);
}

static void
differentiate_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Attention *attention = context;
  Room room;
  cut_room (attention, (char *) attention->call->scratch + worker * attention->worker_bytes, &room);
  if (attention->kernel->begin)
    attention->kernel->begin ();
  if (attention->bias) {
    for (int64_t item = begin; item < end; item++)
      differentiate_head (attention, &room, item);
  } else {
    Meeting meeting = meet_item (attention, begin), next = meeting;
    for (int64_t item = begin; item < end; item++, meeting = next) {
      if (item + 1 < end)
        next = meet_item (attention, item + 1);
      differentiate_group (attention, &room, &meeting, attention->shared ? attention->sequences : 1, item + 1 < end ? &next : NULL);
    }
  }
  if (attention->kernel->end)
    attention->kernel->end ();
}

size_t
fw_attention_grad_scratch (const FwKernelCall *call)
{
  Attention attention;
  Room room;
  plan (&attention, call);
  return FW_MAX (fw_few_keys_grad_scratch (call), (size_t) (cut_room (&attention, NULL, &room) * call->parallel->workers));
}

void
fw_attention_grad_run (const FwKernelCall *call)
{
  Attention attention;
  Room room;
  int64_t items = plan (&attention, call);
  if (items == 0 || fw_few_keys_grad_run (call))
    return;
  attention.worker_bytes = cut_room (&attention, NULL, &room);
  int64_t flops = 5 * attention.queries * FW_MAX (1, attention.keys) * (attention.width + attention.value_width)
                  * (attention.shared ? attention.sequences : 1);
  call->parallel->run (call->parallel, items, FW_MAX (1, FLOPS_PER_RANGE / flops), differentiate_range, &attention);
}
