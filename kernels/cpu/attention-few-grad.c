/* SPDX-License-Identifier: Apache-2.0
 * The gradient of attention to few keys: dq of sixteen queries at a time, while what they add to dk and dv is gathered. */
#include "kernels/cpu/few-keys.h"

#ifdef FW_FEW_KEYS

#include "kernels/cpu/run.h"
#include "kernels/cpu/vec-math.h"

/* A of a product along the tokens, which lie along rows. */
typedef struct { _Alignas (64) uint16_t row[TOKENS][TOKENS]; } Along;
typedef struct { _Alignas (64) float row[TOKENS][MOST_WIDTH]; } Sums;

/* A worker's scratch. */
typedef struct {
  Rows keys, values, queries, slopes;
  Across keys_across, queries_across, slopes_across;
  Turned turned;
  Along weights, score_slopes;
  Side side;
  FwVec p[TOKENS], dp[TOKENS];
  Sums dk, dv;
} GradRoom;

/* Sums = or += the @rows rows of @a times @b. */
static void
multiply_along (const Along *a, int64_t rows, const Across *b, int64_t pairs, int64_t chunks, bool accumulate, Sums *sums)
{
  for (int64_t chunk = 0; chunk < chunks; chunk++)
    for (int64_t start = 0; start < rows; start += ROWS) {
      float *place = sums->row[start] + chunk * CHUNK;
      FwVec sum[ROWS][2];
      FW_UNROLL
      for (int r = 0; r < ROWS; r++) {
        sum[r][0] = accumulate ? vec_load (place + r * MOST_WIDTH) : vec_zero ();
        sum[r][1] = accumulate ? vec_load (place + r * MOST_WIDTH + VEC) : vec_zero ();
      }
      add_tile (a->row[start], 2, TOKENS, (const FwBits (*)[MOST_WIDTH / VEC]) &b->pair[0][2 * chunk], pairs, sum);
      FW_UNROLL
      for (int r = 0; r < ROWS; r++) {
        vec_store (place + r * MOST_WIDTH, sum[r][0]);
        vec_store (place + r * MOST_WIDTH + VEC, sum[r][1]);
      }
    }
}

/* Scores in p become weights p = exp(s - lse), their slopes in dp ds = p * (dp - mean); the mean of dp, weighted by p, is do . o, and
 * stays among dp where lse was rounded so much that weights do not sum up to 1. Both are packed as numbers from @column on of the rows of keys, ds as a side too. */
static void
differentiate_weights (const Few *few, const Place *place, FwVec logs, int64_t column, GradRoom *room)
{
  FwVec unit = vec_set (few->scale * FW_LOG2_E), shift = -logs * vec_set (FW_LOG2_E);
  FwVec sum = vec_zero (), all = vec_zero ();
  FwVec *p = room->p, *dp = room->dp;
  for (int64_t key = 0; key < few->keys; key++) {
    /* no weight is above 1, however lse was rounded; NaN stays */
    FwVec weight = vec_exp2 (vec_min (vec_zero (), vec_fma (unit, p[key], shift)));
    bool counts = fw_key_counts (&few->call->in[3], place->b1, key);
    p[key] = counts ? weight : vec_zero ();
    dp[key] = counts ? dp[key] : vec_zero ();
    vec_store_bf16 (room->weights.row[key] + column, p[key]);
    all = all + p[key];
    sum = vec_fma (p[key], dp[key], sum);
  }
  FwVec mean = vec_select (vec_less (vec_zero (), all), sum / all, sum);
  for (int64_t key = 0; key < few->keys; key++) {
    dp[key] = p[key] * (dp[key] - mean);
    vec_store_bf16 (room->score_slopes.row[key] + column, dp[key]);
  }
  pack_side (dp, few->keys, &room->side);
}

/* Between products: brings near the next part of what comes after token @first + @token, and the results' room: so many tokens at
 * a time, four times for sixteen queries. */
enum { FETCHED = QUERIES / 4 };

static void
fetch_gradient (const Few *few, const Place *place, int64_t first, int64_t token)
{
  const FwTensor *in = few->call->in, *out = few->call->out;
  fetch_to_write (&out[0], place, first + token, FETCHED);
  fetch (&in[0], place, first + token + TOKENS, FETCHED);
  fetch (&in[6], place, first + token + TOKENS, FETCHED);
  if (first > 0)
    return;
  fetch_to_write (&out[1], place, token, FETCHED);
  fetch_to_write (&out[2], place, token, FETCHED);
  for (int i = 0; i < 3; i++)
    fetch (&in[i], place->next, token, FETCHED);
  fetch (&in[6], place->next, token, FETCHED);
}

/* The gradients of queries @first + @column and on, which are number @column and on of those gathered, and what they add to those
 * of keys. */
static void
differentiate_queries (const Few *few, const Place *place, int64_t first, int64_t column, int64_t count, GradRoom *room)
{
  const FwTensor *lse = &few->call->in[7];
  const FwHead dq = head_at (&few->call->out[0], place);
  float buffer[VEC];
  int64_t query = first + column;
  const float *logs = fw_run_load (lse, lse_place (lse, place) + query * lse->stride[3], lse->stride[3], count, buffer);
  fetch_gradient (few, place, first, column);
  turn (&room->slopes, column, few->value_chunks, &room->turned);
  multiply_width (&room->values, few->keys, &room->turned, few->value_chunks, room->dp);
  fetch_gradient (few, place, first, column + FETCHED);
  turn (&room->queries, column, few->chunks, &room->turned);
  multiply_width (&room->keys, few->keys, &room->turned, few->chunks, room->p);
  fetch_gradient (few, place, first, column + 2 * FETCHED);
  differentiate_weights (few, place, vec_load_part (logs, count), column, room);
  fetch_gradient (few, place, first, column + 3 * FETCHED);
  if (fw_present (dq.tensor))
    multiply_side (&room->side, &room->keys_across, fw_ceil_div (few->keys, 2), &dq, query, count, vec_set (few->scale));
}

static void
differentiate (const Few *few, const Place *place, GradRoom *room)
{
  const FwParallel *parallel = few->call->parallel;
  const FwTensor *in = few->call->in, *out = few->call->out;
  const FwHead q = head_at (&in[0], place), k = head_at (&in[1], place), v = head_at (&in[2], place);
  const FwHead slope = head_at (&in[6], place), dk = head_at (&out[1], place), dv = head_at (&out[2], place);
  load_rows (&v, 0, few->keys, &room->values);
  load_rows (&k, 0, few->keys, &room->keys);
  interleave (&room->keys, few->keys, few->chunks, &room->keys_across);
  for (int64_t first = 0; first < few->queries; first += TOKENS) {
    int64_t count = FW_MIN (TOKENS, few->queries - first), pairs = fw_ceil_div (count, 2);
    if (parallel->stopped != NULL && parallel->stopped (parallel))
      return;
    load_rows (&q, first, count, &room->queries);
    load_rows (&slope, first, count, &room->slopes);
    for (int64_t column = 0; column < count; column += QUERIES)
      differentiate_queries (few, place, first, column, FW_MIN (QUERIES, count - column), room);
    interleave (&room->slopes, count, few->value_chunks, &room->slopes_across);
    multiply_along (&room->weights, few->keys, &room->slopes_across, pairs, few->value_chunks, first > 0, &room->dv);
    interleave (&room->queries, count, few->chunks, &room->queries_across);
    multiply_along (&room->score_slopes, few->keys, &room->queries_across, pairs, few->chunks, first > 0, &room->dk);
  }
  if (fw_present (dk.tensor))
    fw_store_head_rows (&dk, 0, few->keys, room->dk.row[0], MOST_WIDTH, few->scale, NULL);
  if (fw_present (dv.tensor))
    fw_store_head_rows (&dv, 0, few->keys, room->dv.row[0], MOST_WIDTH, 1, NULL);
}

static void
differentiate_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Few *few = context;
  GradRoom *room = (GradRoom *) few->call->scratch + worker;
  Place place = place_of (few, begin), next;
  for (int64_t item = begin; item < end; item++, place = next) {
    next = place_of (few, FW_MIN (item + 1, end - 1));
    place.next = &next;
    differentiate (few, &place, room);
  }
}

static bool
plan_gradient (Few *few, const FwKernelCall *call)
{
  const FwTensor *q = &call->in[0], *dk = &call->out[1], *dv = &call->out[2];
  return plan (few, call) && !fw_shares_keys (q, dk) && is_bf16 (&call->in[6]) && is_bf16 (dk) && is_bf16 (dv);
}

size_t
fw_few_keys_grad_scratch (const FwKernelCall *call)
{
  Few few;
  return plan_gradient (&few, call) ? sizeof (GradRoom) * (size_t) call->parallel->workers : 0;
}

bool
fw_few_keys_grad_run (const FwKernelCall *call)
{
  Few few;
  if (!plan_gradient (&few, call) || fw_present (&call->out[3]))
    return false;
  run_items (&few, 5, differentiate_range);
  return true;
}

#else

size_t
fw_few_keys_grad_scratch (const FwKernelCall *call)
{
  return 0;
}

bool
fw_few_keys_grad_run (const FwKernelCall *call)
{
  return false;
}

#endif
