/* SPDX-License-Identifier: Apache-2.0
 * Attention to few keys. */
#include "kernels/cpu/few-keys.h"

#ifdef FW_FEW_KEYS

#include <float.h>
#include <math.h>

#include "kernels/cpu/vec-math.h"

/* A worker's scratch. */
typedef struct {
  Rows rows, queries;
  Turned turned;
  Across values;
  Side weights;
  FwVec scores[TOKENS];
} Room;

/* The scores of all keys become weights, in place, of which the largest are 1. @share: what to multiply by for a sum of 1. Returns the
 * logs of the sums. */
static FwVec
weigh (const Few *few, const Place *place, FwVec *scores, FwVec *share)
{
  FwVec unit = vec_set (few->scale * FW_LOG2_E), largest = vec_set (-INFINITY), sum = vec_zero ();
  for (int64_t key = 0; key < few->keys; key++) {
    scores[key] = fw_key_counts (&few->call->in[3], place->b1, key) ? (FwVec) (scores[key] * unit) : vec_set (-INFINITY);
    largest = vec_max (largest, scores[key]);
  }
  FwVec shift = vec_max (vec_set (-FLT_MAX), largest); /* finite, where all keys are masked too */
  for (int64_t key = 0; key < few->keys; key++) {
    scores[key] = vec_exp2 (scores[key] - shift);
    sum = sum + scores[key];
  }
  FwMask some = vec_less (vec_zero (), sum);
  *share = vec_select (some, vec_set (1.0f) / sum, vec_zero ());
  return vec_select (some, vec_fma (largest, vec_set (1 / FW_LOG2_E), vec_log (sum)), vec_set (-INFINITY));
}

static void
store_logs (const Few *few, const Place *place, int64_t query, int64_t count, FwVec logs)
{
  const FwTensor *lse = &few->call->out[1];
  float values[VEC];
  vec_store (values, logs);
  if (!fw_present (lse))
    return;
  int64_t first = lse_place (lse, place) + query * lse->stride[3];
  for (int64_t i = 0; i < count; i++)
    fw_store_element (lse->data, lse->dtype, first + i * lse->stride[3], values[i]);
}

/* Between products: brings near the next part of what comes after queries from @start on, and the results' room. */
static void
fetch_forward (const Few *few, const Place *place, int64_t start, int part)
{
  enum { FETCHED = QUERIES / 2 }; /* tokens a part, two parts for sixteen queries */
  const FwTensor *in = few->call->in;
  int64_t token = start + part * FETCHED;
  fetch_to_write (&few->call->out[0], place, place->query + token, FETCHED);
  if (start + QUERIES < place->queries)
    fetch (&in[0], place, place->query + token + QUERIES, FETCHED);
  if (start >= TOKENS)
    return;
  for (int i = 0; i < 3; i++)
    fetch (&in[i], place->next, (i == 0 ? place->next->query : 0) + token, FETCHED);
}

static void
attend (const Few *few, const Place *place, Room *room)
{
  const FwTensor *in = few->call->in;
  const FwHead q = head_at (&in[0], place), k = head_at (&in[1], place), v = head_at (&in[2], place);
  const FwHead o = head_at (&few->call->out[0], place);
  load_rows (&v, 0, few->keys, &room->rows);
  interleave (&room->rows, few->keys, few->value_chunks, &room->values);
  load_rows (&k, 0, few->keys, &room->rows);
  for (int64_t start = 0; start < place->queries; start += QUERIES) {
    int64_t query = place->query + start, count = FW_MIN (QUERIES, place->queries - start);
    FwVec share;
    load_rows (&q, query, count, &room->queries);
    turn (&room->queries, 0, few->chunks, &room->turned);
    fetch_forward (few, place, start, 0);
    multiply_width (&room->rows, few->keys, &room->turned, few->chunks, room->scores);
    fetch_forward (few, place, start, 1);
    store_logs (few, place, query, count, weigh (few, place, room->scores, &share));
    pack_side (room->scores, few->keys, &room->weights);
    multiply_side (&room->weights, &room->values, fw_ceil_div (few->keys, 2), &o, query, count, share);
  }
}

static void
attend_range (void *context, int64_t begin, int64_t end, int worker)
{
  const Few *few = context;
  Room *room = (Room *) few->call->scratch + worker;
  Place place = place_of (few, begin), next;
  for (int64_t item = begin; item < end; item++, place = next) {
    next = place_of (few, FW_MIN (item + 1, end - 1));
    place.next = &next;
    attend (few, &place, room);
  }
}

static bool
plan_forward (Few *few, const FwKernelCall *call)
{
  bool fits = plan (few, call);
  few->spans = fw_ceil_div (few->queries, SPAN);
  return fits;
}

size_t
fw_few_keys_scratch (const FwKernelCall *call)
{
  Few few;
  return plan_forward (&few, call) ? sizeof (Room) * (size_t) call->parallel->workers : 0;
}

bool
fw_few_keys_run (const FwKernelCall *call)
{
  Few few;
  if (!plan_forward (&few, call))
    return false;
  run_items (&few, 2, attend_range);
  return true;
}

#else

size_t
fw_few_keys_scratch (const FwKernelCall *call)
{
  return 0;
}

bool
fw_few_keys_run (const FwKernelCall *call)
{
  return false;
}

#endif
