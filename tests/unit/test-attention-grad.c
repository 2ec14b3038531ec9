/* SPDX-License-Identifier: Apache-2.0
 * The gradient of attention where the log of the sums has lost more to rounding than weights can bear, as with absurd scores. */
#include "engine/exec/pool.h"
#include "kernels/cpu/cpu.h"

#include <math.h>

enum { TOKENS = 5, WIDTH = 4 };

typedef struct {
  float q[TOKENS * WIDTH], k[TOKENS * WIDTH], v[TOKENS * WIDTH], o[TOKENS * WIDTH], slope[TOKENS * WIDTH], lse[TOKENS];
  float dq[TOKENS * WIDTH], dk[TOKENS * WIDTH], dv[TOKENS * WIDTH];
} Numbers;

static void
run (const FwCpuPath *path, FwKernelCall *call)
{
  FwPool *pool = fw_pool_new (1);
  call->parallel = fw_pool_parallel (pool);
  call->scratch_size = path->attention_grad.scratch (call);
  g_autofree char *scratch = g_malloc (call->scratch_size + 64);
  call->scratch = (gpointer) (((guintptr) scratch + 63) & ~(guintptr) 63);
  path->attention_grad.run (call);
  fw_pool_free (pool);
}

static void
differentiate (const FwCpuPath *path, Numbers *n)
{
  static const FwAttentionAttributes attributes = { 1, false };
  const int64_t heads[] = { 1, 1, TOKENS, 1, WIDTH }, rows[] = { 1, 1, 1, TOKENS };
  float *in[] = { n->q, n->k, n->v, NULL, NULL, n->o, n->slope, n->lse }, *out[] = { n->dq, n->dk, n->dv };
  FwKernelCall call = { .attributes = &attributes, .out[3].rank = -1 };
  for (int i = 0; i < 8; i++)
    call.in[i] = in[i] == NULL ? (FwTensor) { .rank = -1 } : i < 7 ? fw_tensor_dense (in[i], FW_DTYPE_F32, 5, heads)
                                                                   : fw_tensor_dense (in[i], FW_DTYPE_F32, 4, rows);
  for (int i = 0; i < 3; i++)
    call.out[i] = fw_tensor_dense (out[i], FW_DTYPE_F32, 5, heads);
  run (path, &call);
}

static void
fill (Numbers *n)
{
  for (int i = 0; i < TOKENS * WIDTH; i++) {
    n->q[i] = n->k[i] = 1 + 0.1f * (float) i;
    n->v[i] = n->o[i] = n->slope[i] = 0.5f - 0.02f * (float) i;
  }
  for (int i = 0; i < TOKENS; i++)
    n->lse[i] = -1000; /* every score is above that: weights would be beyond all numbers */
}

static void
test_lost_sums (void)
{
  for (const FwCpuPath *const *path = fw_cpu_paths (); *path != NULL; path++) {
    if ((*path)->attention_grad.run == NULL)
      continue;
    Numbers n;
    fill (&n);
    differentiate (*path, &n);
    for (int i = 0; i < TOKENS * WIDTH; i++)
      g_assert_true (isfinite (n.dq[i]) && isfinite (n.dk[i]) && isfinite (n.dv[i]));
    fill (&n);
    n.q[0] = NAN;
    differentiate (*path, &n);
    for (int i = 0; i < WIDTH; i++)
      g_assert_true (isnan (n.dq[i]) && isnan (n.dv[i]));
  }
}

/* One query and many keys whose scores are so large that their sum is lost: weights of 1 each, whose slopes stay as far from their
 * mean as values are. */
static void
test_many_weights (void)
{
  enum { KEYS = 64 };
  static const FwAttentionAttributes attributes = { 1, false };
  static const int64_t query[] = { 1, 1, 1, 1, 1 }, keys[] = { 1, 1, KEYS, 1, 1 }, row[] = { 1, 1, 1, 1 };
  const float large = 0x1p30f;
  uint16_t q = fw_f32_to_bf16 (large), one = fw_f32_to_bf16 (1), o = fw_f32_to_bf16 (0.75f);
  uint16_t k[KEYS], v[KEYS], dq, dk[KEYS], dv[KEYS];
  float lse = large - 200;
  for (int i = 0; i < KEYS; i++) {
    k[i] = one;
    v[i] = fw_f32_to_bf16 (i % 2 == 0 ? 0.5f : 1);
  }
  for (const FwCpuPath *const *path = fw_cpu_paths (); *path != NULL; path++) {
    if ((*path)->attention_grad.run == NULL)
      continue;
    FwKernelCall call = { .attributes = &attributes };
    const FwTensor absent = { .rank = -1 }, in[] = {
      fw_tensor_dense (&q, FW_DTYPE_BF16, 5, query), fw_tensor_dense (k, FW_DTYPE_BF16, 5, keys),
      fw_tensor_dense (v, FW_DTYPE_BF16, 5, keys), absent, absent, fw_tensor_dense (&o, FW_DTYPE_BF16, 5, query),
      fw_tensor_dense (&one, FW_DTYPE_BF16, 5, query), fw_tensor_dense (&lse, FW_DTYPE_F32, 4, row),
    };
    const FwTensor out[] = { fw_tensor_dense (&dq, FW_DTYPE_BF16, 5, query), fw_tensor_dense (dk, FW_DTYPE_BF16, 5, keys),
                             fw_tensor_dense (dv, FW_DTYPE_BF16, 5, keys), absent };
    memcpy (call.in, in, sizeof in);
    memcpy (call.out, out, sizeof out);
    run (*path, &call);
    for (int i = 0; i < KEYS; i++)
      g_assert_cmpfloat (fw_bf16_to_f32 (dk[i]), ==, i % 2 == 0 ? -0.25f * large : 0.25f * large);
  }
}

/* A gradient of the bias that nobody wants may be absent or have a shape but no data, as in plans: the same code runs. */
static void
test_unwanted_bias (void)
{
  enum { FEW = 19, WIDE = 24, COUNT = FEW * WIDE };
  static const FwAttentionAttributes attributes = { 0.2, false };
  static const int64_t heads[] = { 1, 1, FEW, 1, WIDE }, rows[] = { 1, 1, 1, FEW }, scores[] = { 1, FEW, FEW };
  uint16_t in[5][COUNT], out[2][3][COUNT];
  float lse[FEW];
  for (int i = 0; i < 5 * COUNT; i++)
    in[i / COUNT][i % COUNT] = fw_f32_to_bf16 (sinf ((float) (i * i % 1009)));
  for (int i = 0; i < FEW; i++)
    lse[i] = 3 + 0.01f * (float) i;
  for (const FwCpuPath *const *path = fw_cpu_paths (); *path != NULL; path++) {
    if ((*path)->attention_grad.run == NULL)
      continue;
    for (int shaped = 0; shaped < 2; shaped++) {
      const FwTensor absent = { .rank = -1 };
      FwKernelCall call = { .attributes = &attributes, .in[3] = absent, .in[4] = absent };
      for (int i = 0; i < 3; i++) {
        call.in[i] = fw_tensor_dense (in[i], FW_DTYPE_BF16, 5, heads);
        call.out[i] = fw_tensor_dense (out[shaped][i], FW_DTYPE_BF16, 5, heads);
      }
      call.in[5] = fw_tensor_dense (in[3], FW_DTYPE_BF16, 5, heads);
      call.in[6] = fw_tensor_dense (in[4], FW_DTYPE_BF16, 5, heads);
      call.in[7] = fw_tensor_dense (lse, FW_DTYPE_F32, 4, rows);
      call.out[3] = shaped ? fw_tensor_dense (NULL, FW_DTYPE_F32, 3, scores) : absent;
      run (*path, &call);
    }
    g_assert_cmpmem (out[0], sizeof out[0], out[1], sizeof out[1]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attention-grad/lost-sums", test_lost_sums);
  g_test_add_func ("/attention-grad/many-weights", test_many_weights);
  g_test_add_func ("/attention-grad/unwanted-bias", test_unwanted_bias);
  return g_test_run ();
}
