/* SPDX-License-Identifier: Apache-2.0
 * What attention to few keys and its gradient share: tokens gathered from where they lie, turned into the factors of products, and
 * the products. Scores are kept transposed, a vector of sixteen queries for each key: maxima, sums and means then run down vectors
 * instead of across them, and weights come out as the products want them. */
#pragma once
#include "kernels/cpu/attention-few.h"

#if defined __AVX512BF16__ && !defined __AMX_TILE__
#define FW_FEW_KEYS /* processors with tiles are slow at vdpbf16ps */

#include "kernels/cpu/transpose.h"

enum {
  QUERIES = VEC,            /* worked on together */
  TOKENS = 64,              /* the most keys; so many queries are gathered before they are added to the gradients of keys */
  PAIRS = TOKENS / 2,
  MOST_WIDTH = 128,
  CHUNK = 32,               /* numbers of a width handled together */
  SPAN = 256,               /* queries of one item */
  FLOPS_PER_RANGE = 1 << 24,
};

/* Tokens of a head, filled up with zeros. */
typedef struct { _Alignas (64) uint16_t row[TOKENS][MOST_WIDTH]; } Rows;
/* B of a product along the width: for each pair of the width that of sixteen tokens. */
typedef struct { FwBits pair[MOST_WIDTH / 2]; } Turned;
/* B of a product along the tokens: for each pair of tokens that of all the width. */
typedef struct { FwBits pair[PAIRS][MOST_WIDTH / VEC]; } Across;
/* A of a product along the tokens, which lie side by side: for each pair of tokens that of sixteen rows. */
typedef struct { FwBits pair[PAIRS]; } Side;

typedef struct {
  const FwKernelCall *call;
  int64_t sequences, heads, spans, queries, keys, width, value_width; /* sequences: B2; spans: of queries, each an item */
  int64_t chunks, value_chunks;
  float scale;
} Few;

static inline bool
is_bf16 (const FwTensor *tensor)
{
  return tensor->rank < 0 || tensor->dtype == FW_DTYPE_BF16;
}

static inline bool
plan (Few *few, const FwKernelCall *call)
{
  const FwAttentionAttributes *attributes = call->attributes;
  const FwTensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
  *few = (Few) { .call = call, .sequences = q->dim[1], .heads = q->dim[3], .queries = q->dim[2], .keys = k->dim[2],
                 .width = q->dim[4], .value_width = v->dim[4], .spans = 1, .scale = (float) attributes->scale };
  few->chunks = fw_ceil_div (few->width, CHUNK);
  few->value_chunks = fw_ceil_div (few->value_width, CHUNK);
  return is_bf16 (q) && is_bf16 (k) && is_bf16 (v) && is_bf16 (&call->out[0]) && few->queries > 0 && few->keys > 0
         && few->keys <= TOKENS && few->width <= MOST_WIDTH && few->value_width <= MOST_WIDTH && !attributes->causal
         && call->in[4].rank < 0;
}

/* --- moving --- */

static inline __mmask32
chunk_mask (int64_t width, int64_t chunk)
{
  int64_t left = width - chunk * CHUNK;
  return left >= CHUNK ? ~(__mmask32) 0 : ((__mmask32) 1 << left) - 1;
}

/* Tokens [first, first + count), and zeros up to whole groups of sixteen. */
static inline void
load_rows (const FwHead *head, int64_t first, int64_t count, Rows *rows)
{
  const uint16_t *line = (const uint16_t *) head->tensor->data + head->place + first * head->stride;
  int64_t chunks = fw_ceil_div (head->width, CHUNK), filled = fw_round_up (count, VEC);
  for (int64_t token = 0; token < count; token++, line += head->stride)
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      bits_store (rows->row[token] + chunk * CHUNK, _mm512_maskz_loadu_epi16 (chunk_mask (head->width, chunk), line + chunk * CHUNK));
  for (int64_t token = count; token < filled; token++)
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      bits_store (rows->row[token] + chunk * CHUNK, bits_set (0));
}

/* Sixteen rows from @first on. */
static inline void
turn (const Rows *rows, int64_t first, int64_t chunks, Turned *turned)
{
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    FwBits block[VEC];
    for (int token = 0; token < VEC; token++)
      block[token] = bits_load (rows->row[first + token] + chunk * CHUNK);
    transpose (block);
    for (int i = 0; i < VEC; i++)
      turned->pair[chunk * VEC + i] = block[i];
  }
}

static inline void
interleave (const Rows *rows, int64_t count, int64_t chunks, Across *across)
{
  for (int64_t pair = 0; 2 * pair < count; pair++)
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      vec_interleave_bf16 (bits_load (rows->row[2 * pair] + chunk * CHUNK), bits_load (rows->row[2 * pair + 1] + chunk * CHUNK),
                           &across->pair[pair][2 * chunk], &across->pair[pair][2 * chunk + 1]);
}

/* --- products --- */

static FW_ALWAYS_INLINE __m512bh
broadcast_pair (const uint16_t *place)
{
  int pair;
  memcpy (&pair, place, sizeof pair);
  return (__m512bh) bits_set (pair);
}

/* sum[i] = row i of @a times the sixteen tokens of @b, over the width, for whole groups of sixteen rows. */
static inline void
multiply_width (const Rows *a, int64_t rows, const Turned *b, int64_t chunks, FwVec *sum)
{
  for (int64_t first = 0; first < rows; first += VEC) {
    const uint16_t *row = a->row[first];
    FwVec s[VEC];
    FW_UNROLL
    for (int i = 0; i < VEC; i++)
      s[i] = vec_zero ();
    for (int64_t pair = 0; pair < chunks * VEC; pair++) {
      __m512bh column = (__m512bh) b->pair[pair];
      FW_UNROLL
      for (int i = 0; i < VEC; i++)
        s[i] = _mm512_dpbf16_ps (s[i], broadcast_pair (row + i * MOST_WIDTH + 2 * pair), column);
    }
    FW_UNROLL
    for (int i = 0; i < VEC; i++)
      sum[first + i] = s[i];
  }
}

/* The tile of a product along the tokens. */
enum { ROWS = 8 };

/* Adds rows of A times a chunk of B: pair p of row r of A lies p * @pair_step + r * @row_step numbers from @a. */
static FW_ALWAYS_INLINE void
add_tile (const uint16_t *a, const int pair_step, const int row_step, const FwBits (*b)[MOST_WIDTH / VEC], int64_t pairs,
          FwVec (*sum)[2])
{
  for (int64_t pair = 0; pair < pairs; pair++, a += pair_step) {
    __m512bh low = (__m512bh) b[pair][0], high = (__m512bh) b[pair][1];
    FW_UNROLL
    for (int r = 0; r < ROWS; r++) {
      __m512bh numbers = broadcast_pair (a + r * row_step);
      sum[r][0] = _mm512_dpbf16_ps (sum[r][0], numbers, low);
      sum[r][1] = _mm512_dpbf16_ps (sum[r][1], numbers, high);
    }
  }
}

/* The sixteen rows of @a times @b, each times a factor of its own, to rows [first, first + count) of @head. */
static inline void
multiply_side (const Side *a, const Across *b, int64_t pairs, const FwHead *head, int64_t first, int64_t count, FwVec factors)
{
  float factor[VEC];
  vec_store (factor, factors);
  for (int64_t chunk = 0; chunk * CHUNK < head->width; chunk++) {
    const __mmask32 mask = chunk_mask (head->width, chunk);
    for (int64_t start = 0; start < count; start += ROWS) {
      uint16_t *line = (uint16_t *) head->tensor->data + head->place + (first + start) * head->stride + chunk * CHUNK;
      FwVec sum[ROWS][2];
      FW_UNROLL
      for (int r = 0; r < ROWS; r++)
        sum[r][0] = sum[r][1] = vec_zero ();
      add_tile ((const uint16_t *) a->pair + 2 * start, 2 * VEC, 2, (const FwBits (*)[MOST_WIDTH / VEC]) &b->pair[0][2 * chunk], pairs,
                sum);
      FW_UNROLL
      for (int r = 0; r < ROWS; r++) {
        FwVec times = vec_set (factor[start + r]);
        if (start + r < count)
          _mm512_mask_storeu_epi16 (line + r * head->stride, mask, vec_pairs_along (sum[r][0] * times, sum[r][1] * times));
      }
    }
  }
}

/* Pairs of @count vectors; an odd last one is paired with zeros. */
static inline void
pack_side (const FwVec *values, int64_t count, Side *side)
{
  for (int64_t i = 0; i < count; i += 2)
    side->pair[i / 2] = vec_pairs_across (values[i], i + 1 < count ? values[i + 1] : vec_zero ());
}

/* --- items --- */

typedef struct Place {
  int64_t b1, b2, head, query, queries;
  const struct Place *next; /* the item after it, or itself */
} Place;

/* The most queries of an item. */
static inline int64_t
span_length (const Few *few)
{
  return few->spans > 1 ? SPAN : few->queries;
}

static inline Place
place_of (const Few *few, int64_t item)
{
  int64_t span = item % few->spans, head = item / few->spans % few->heads, sequence = item / few->spans / few->heads;
  int64_t first = span * span_length (few);
  return (Place) { sequence / few->sequences, sequence % few->sequences, head, first,
                   FW_MIN (span_length (few), few->queries - first), NULL };
}

static inline FwHead
head_at (const FwTensor *tensor, const Place *place)
{
  return fw_head (tensor, place->b1, place->b2, place->head);
}

static inline int64_t
lse_place (const FwTensor *lse, const Place *place)
{
  return place->b1 * lse->stride[0] + place->b2 * lse->stride[1] + place->head * lse->stride[2];
}

static inline void
fetch (const FwTensor *tensor, const Place *place, int64_t first, int64_t count)
{
  FwHead head = head_at (tensor, place);
  fw_fetch_head (&head, first, count);
}

static inline void
fetch_to_write (const FwTensor *tensor, const Place *place, int64_t first, int64_t count)
{
  FwHead head = head_at (tensor, place);
  for (int64_t row = first; fw_present (tensor) && row < FW_MIN (first + count, tensor->dim[2]); row++)
    fw_fetch_to_write (tensor, head.place + row * head.stride, head.width);
}

static inline void
run_items (const Few *few, int products, void (*range) (void *, int64_t, int64_t, int))
{
  FwParallel *parallel = few->call->parallel;
  int64_t flops = products * span_length (few) * few->keys * (few->width + few->value_width);
  parallel->run (parallel, few->call->in[0].dim[0] * few->sequences * few->heads * few->spans,
                 FW_MAX (1, FLOPS_PER_RANGE / FW_MAX (1, flops)), range, (void *) few);
}

#endif
