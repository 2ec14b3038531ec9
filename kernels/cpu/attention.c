/* SPDX-License-Identifier: Apache-2.0
 * attention: a block of queries of one head at a time, over blocks of keys with a running maximum and sum, so that scores
 * never leave the cache. Sequences are read where they lie, by stride. */
#include <math.h>

#include "kernels/cpu/attention-few.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row-math.h"
#include "kernels/cpu/run.h"

enum { MOST_QUERIES = 128, MOST_KEYS = 256, MOST_FETCHED = 128, FLOPS_PER_RANGE = 1 << 24 };

typedef struct {
  const FwKernelCall *call;
  const FwMicroKernel *kernel;
  int64_t sequences, heads, queries, keys, width, value_width; /* sequences: B2 */
  int64_t block_queries, query_blocks, block_keys;
  int64_t score_stride, result_stride;
  float scale;
  bool causal, plain;                 /* plain: scores are left unscaled, as nothing is added to them and scale is positive */
  int64_t worker_bytes;
} Attention;

/* A worker's scratch. */
typedef struct {
  char *q, *k, *v, *weights;          /* packed */
  float *scores, *results;
  float *largest, *sum;               /* of each query so far; largest is one of the scores as they are kept; at the end lse and 1/sum */
} Room;

static int64_t
plan (Attention *attention, const FwKernelCall *call)
{
  const FwAttentionAttributes *attributes = call->attributes;
  const FwTensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
  *attention = (Attention) { .call = call, .kernel = fw_micro_for (q->dtype), .sequences = q->dim[1], .heads = q->dim[3],
                             .queries = q->dim[2], .keys = k->dim[2], .width = q->dim[4], .value_width = v->dim[4],
                             .scale = (float) attributes->scale, .causal = attributes->causal };
  attention->plain = attributes->scale > 0 && !fw_present (&call->in[3]) && !fw_present (&call->in[4]);
  attention->query_blocks = fw_ceil_div (attention->queries, MOST_QUERIES);
  attention->block_queries = fw_ceil_div (attention->queries, FW_MAX (1, attention->query_blocks));
  attention->block_keys = FW_MIN (attention->keys, MOST_KEYS);
  attention->score_stride = fw_round_up (attention->block_keys, 32) + 16;
  attention->result_stride = fw_round_up (attention->value_width, 32) + 16;
  return attention->sequences * q->dim[0] * attention->heads * attention->query_blocks;
}

/* Cuts @bytes, which may be NULL; returns the size. */
static int64_t
cut_room (const Attention *attention, char *bytes, Room *room)
{
  const FwMicroKernel *kernel = attention->kernel;
  int64_t rows = fw_round_up (attention->block_queries, FW_ROW_PADDING), place = 0;
  struct { char **part; int64_t size; } packed[] = {
    { &room->q, fw_rows_bytes (kernel, rows, attention->width) },
    { &room->k, fw_columns_bytes (kernel, attention->block_keys, attention->width) },
    { &room->v, fw_columns_bytes (kernel, attention->value_width, attention->block_keys) },
    { &room->weights, rows * kernel->row_bytes },
  };
  struct { float **part; int64_t count; } floats[] = {
    { &room->scores, rows * attention->score_stride }, { &room->results, rows * attention->result_stride },
    { &room->largest, rows }, { &room->sum, rows },
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

/* Where a block of queries meets a block of keys. */
typedef struct {
  int64_t b1, head, query, queries, key, keys;
} Meeting;

/* The scores of row @row, scaled, biased and masked, in place, unless they are plain. Returns how many keys it may look at. */
static int64_t
prepare_scores (const Attention *attention, const Meeting *meeting, int64_t row, float *scores)
{
  const FwTensor *mask = &attention->call->in[3], *bias = &attention->call->in[4];
  int64_t query = meeting->query + row, keys = meeting->keys;
  if (attention->causal)
    keys = FW_MAX (0, FW_MIN (keys, query - meeting->key + 1));
  if (attention->plain)
    return keys;
  row_scale (scores, scores, keys, attention->scale);
  if (fw_present (bias) && keys > 0) {
    float buffer[FW_RUN];
    int64_t place = meeting->head * bias->stride[0] + query * bias->stride[1] + meeting->key * bias->stride[2];
    row_add (fw_run_load (bias, place, bias->stride[2], keys, buffer), scores, keys);
  }
  if (fw_present (mask)) {
    const uint8_t *counts = (const uint8_t *) mask->data + meeting->b1 * mask->stride[0] + meeting->key * mask->stride[1];
    for (int64_t key = 0; key < keys; key++)
      if (!counts[key * mask->stride[1]])
        scores[key] = -INFINITY;
  }
  return keys;
}

/* weights = 2^(unit (scores - shift)) as a row of A, filled up with zeros to @padded; the sum of the numbers stored. */
static float
exponentiate (const FwMicroKernel *kernel, const float *scores, int64_t keys, int64_t padded, float unit, float shift,
              char *weights)
{
  FwVec sum = vec_zero (), units = vec_set (unit), away = vec_set (shift);
  for (int64_t i = 0; i < padded; i += VEC) {
    FwVec e = vec_zero ();
    if (i < keys) {
      e = vec_exp2 ((vec_load (scores + i) - away) * units);
      if (i + VEC > keys)
        e = vec_keep (e, keys - i);
    }
    if (kernel->bf16)
      vec_store_bf16 ((uint16_t *) (void *) weights + i, e);
    else
      vec_store ((float *) (void *) weights + i, e);
    sum = sum + e;
  }
  return vec_sum (sum);
}

/* What the scores are kept in. */
static float
score_unit (const Attention *attention)
{
  return attention->plain ? attention->scale : 1;
}

/* Turns the scores of one block into weights; results so far are scaled down where a larger score turns up. */
static void
weigh_scores (const Attention *attention, const Room *room, const Meeting *meeting, int64_t padded)
{
  bool first = meeting->key == 0;
  float unit = FW_LOG2_E * score_unit (attention);
  for (int64_t row = 0; row < meeting->queries; row++) {
    float *scores = room->scores + row * attention->score_stride;
    int64_t keys = prepare_scores (attention, meeting, row, scores);
    float before = first ? -INFINITY : room->largest[row], largest = row_largest (scores, keys, before);
    float shift = largest == -INFINITY ? 0 : largest;
    float sum = exponentiate (attention->kernel, scores, keys, padded, unit, shift,
                              room->weights + row * attention->kernel->row_bytes);
    if (!first && largest > before) {
      float *results = room->results + row * attention->result_stride, factor = exp2f (unit * (before - shift));
      row_scale (results, results, attention->value_width, factor);
      room->sum[row] *= factor;
    }
    room->sum[row] = first ? sum : room->sum[row] + sum;
    room->largest[row] = largest;
  }
}

static void
store_results (const Attention *attention, const Room *room, const Meeting *meeting, int64_t b2)
{
  const FwTensor *lse = &attention->call->out[1];
  FwHead head = fw_head (&attention->call->out[0], meeting->b1, b2, meeting->head);
  FwVec unit = vec_set (score_unit (attention));
  for (int64_t row = 0; row < meeting->queries; row += VEC) { /* the room is larger than all rows */
    FwVec sum = vec_load (room->sum + row);
    FwMask some = vec_less (vec_zero (), sum);
    vec_store (room->largest + row, vec_select (some, vec_fma (vec_load (room->largest + row), unit, vec_log (sum)),
                                                vec_set (-INFINITY)));
    vec_store (room->sum + row, vec_select (some, vec_set (1.0f) / sum, vec_zero ()));
  }
  fw_store_head_rows (&head, meeting->query, meeting->queries, room->results, attention->result_stride, 1, room->sum);
  int64_t place = meeting->b1 * lse->stride[0] + b2 * lse->stride[1] + meeting->head * lse->stride[2];
  for (int64_t row = 0; fw_present (lse) && row < meeting->queries; row++)
    fw_store_element (lse->data, lse->dtype, place + (meeting->query + row) * lse->stride[3], room->largest[row]);
}

/* Which block of queries of which head of which sequence an item is. */
typedef struct { int64_t b1, b2, head, query; } Place;

static Place
place_of (const Attention *attention, int64_t item)
{
  int64_t block = item % attention->query_blocks, head = item / attention->query_blocks % attention->heads;
  int64_t sequence = item / attention->query_blocks / attention->heads;
  return (Place) { sequence / attention->sequences, sequence % attention->sequences, head, block * attention->block_queries };
}

/* What the first product of an item asks for: queries and keys of @next, the item after it, which may be NULL. */
static void
expect_scores (const Attention *attention, const Place *next, FwFetching *fetching)
{
  const FwTensor *in = attention->call->in;
  if (next == NULL)
    return;
  FwHead q = fw_head (&in[0], next->b1, next->b2, next->head), k = fw_head (&in[1], next->b1, next->b2, next->head);
  fw_expect_head (fetching, &q, next->query, attention->block_queries);
  if (next->query == 0)
    fw_expect_head (fetching, &k, 0, MOST_FETCHED);
}

/* The second: its own results, which are to be written, and values of @next. */
static void
expect_results (const Attention *attention, const FwHead *o, const Meeting *meeting, const Place *next, FwFetching *fetching)
{
  fw_expect_head (fetching, o, meeting->query, meeting->queries);
  if (next == NULL || next->query > 0)
    return;
  FwHead v = fw_head (&attention->call->in[2], next->b1, next->b2, next->head);
  fw_expect_head (fetching, &v, 0, MOST_FETCHED);
}

static void
attend (const Attention *attention, const Room *room, int64_t item, const Place *next)
{
  const FwMicroKernel *kernel = attention->kernel;
  const FwKernelCall *call = attention->call;
  Place place = place_of (attention, item);
  int64_t b1 = place.b1, b2 = place.b2, head = place.head;
  Meeting meeting = { .b1 = b1, .head = head, .query = place.query };
  meeting.queries = FW_MIN (attention->block_queries, attention->queries - meeting.query);
  FwHead q = fw_head (&call->in[0], b1, b2, head), k = fw_head (&call->in[1], b1, b2, head);
  FwHead v = fw_head (&call->in[2], b1, b2, head);
  FwHead o = fw_head (&call->out[0], b1, b2, head);
  int64_t keys = attention->causal ? FW_MIN (attention->keys, meeting.query + meeting.queries) : attention->keys;
  FwHeadRows rows = fw_head_rows (kernel, &q, meeting.query, meeting.queries, room->q);
  for (int64_t row = 0; keys == 0 && row < meeting.queries; row++) {
    memset (room->results + row * attention->result_stride, 0, (size_t) attention->value_width * sizeof (float));
    room->sum[row] = 0;
  }
  for (meeting.key = 0; meeting.key < keys; meeting.key += attention->block_keys) {
    meeting.keys = FW_MIN (attention->block_keys, keys - meeting.key);
    int64_t padded = fw_round_up (meeting.keys, kernel->step), value_width = attention->value_width;
    FwFetching fetching = fw_block_fetching (kernel, meeting.queries, meeting.keys, attention->width);
    if (meeting.key == 0)
      expect_scores (attention, next, &fetching);
    fw_pack_head_columns (kernel, &k, meeting.key, meeting.keys, room->k);
    fw_multiply_width (kernel, meeting.queries, meeting.keys, attention->width, rows, room->k, room->scores,
                       attention->score_stride, &fetching);
    weigh_scores (attention, room, &meeting, padded);
    fw_pack_head_across (kernel, &v, meeting.key, meeting.keys, room->v);
    fetching = fw_block_fetching (kernel, meeting.queries, value_width, padded);
    if (meeting.key == 0)
      expect_results (attention, &o, &meeting, next, &fetching);
    fw_multiply_block (kernel, meeting.queries, value_width, padded, room->weights, kernel->row_bytes, room->v,
                       fw_panel_bytes (kernel, meeting.keys), room->results, attention->result_stride, meeting.key > 0, &fetching);
  }
  store_results (attention, room, &meeting, b2);
}

static void
attend_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Attention *attention = context;
  Room room;
  cut_room (attention, (char *) attention->call->scratch + worker * attention->worker_bytes, &room);
  if (attention->kernel->begin)
    attention->kernel->begin ();
  for (int64_t item = begin; item < end; item++) {
    Place next = place_of (attention, item + 1 < end ? item + 1 : item);
    attend (attention, &room, item, item + 1 < end ? &next : NULL);
  }
  if (attention->kernel->end)
    attention->kernel->end ();
}

size_t
fw_attention_scratch (const FwKernelCall *call)
{
  Attention attention;
  Room room;
  plan (&attention, call);
  return FW_MAX (fw_few_keys_scratch (call), (size_t) (cut_room (&attention, NULL, &room) * call->parallel->workers));
}

void
fw_attention_run (const FwKernelCall *call)
{
  Attention attention;
  Room room;
  int64_t items = plan (&attention, call);
  if (items == 0 || fw_few_keys_run (call))
    return;
  attention.worker_bytes = cut_room (&attention, NULL, &room);
  int64_t flops = 2 * attention.block_queries * FW_MAX (1, attention.keys) * (attention.width + attention.value_width);
  call->parallel->run (call->parallel, items, FW_MAX (1, FLOPS_PER_RANGE / flops), attend_range, &attention);
}
