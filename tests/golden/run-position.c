/* SPDX-License-Identifier: Apache-2.0
 * Golden runners for what is added to or made of tokens before the blocks: patches, positions, timesteps, T5's buckets. */
#include <stdio.h>
#include <string.h>

#include "engine/model/position.h"
#include "engine/model/t5-buckets.h"
#include "kernels/ref/ref.h"
#include "tests/golden/golden.h"

static void
run_kernel (const FwKernel *kernel, FwKernelCall *call)
{
  call->scratch_size = kernel->scratch != NULL ? kernel->scratch (call) : 0;
  g_autofree gpointer scratch = g_malloc (call->scratch_size + 64);
  call->scratch = (gpointer) (((guintptr) scratch + 63) & ~(guintptr) 63);
  kernel->run (call);
}

static void
compare (GoldenCase *golden, const char *name, const float *got, gsize count)
{
  golden_compare_io (golden, name, got, count, golden_number (golden, "tolerance.atol", 1e-5),
                     golden_number (golden, "tolerance.rtol", 1e-5));
}

/* The view of a [B, C, T, H, W] tensor with its channels moved to the end. */
static FwTensor
channels_last (const FwTensor *tensor)
{
  static const int order[] = { 0, 2, 3, 4, 1 };
  FwTensor view = *tensor;
  for (int axis = 0; axis < 5; axis++) {
    view.dim[axis] = tensor->dim[order[axis]];
    view.stride[axis] = tensor->stride[order[axis]];
  }
  return view;
}

/* Patches are a convolution whose stride is its kernel; the input is padded with zeros at its far ends to whole patches. */
static gboolean
compare_patches (GoldenCase *golden, GError **error)
{
  g_autofree char *path = golden_path (golden, "weights.safetensors");
  g_autoptr (FwCheckpoint) weights = fw_checkpoint_open (path, error);
  if (weights == NULL)
    return FALSE;
  GoldenCase stored = { .folder = golden->folder, .io = weights };
  FwTensor x, w, b;
  g_autofree float *input = golden_floats (golden, "in.patch_x", &x);
  g_autofree float *weight = golden_floats (&stored, "x_embedder.proj.weight", &w);
  g_autofree float *bias = golden_floats (&stored, "x_embedder.proj.bias", &b);
  x.data = input;
  w.data = weight;
  b.data = bias;
  FwTensor last = channels_last (&x), dense = fw_tensor_dense (NULL, FW_DTYPE_F32, 5, last.dim);
  g_autofree float *gathered = g_new (float, fw_tensor_count (&dense));
  dense.data = gathered;
  FwKernelCall copy = { .in = { last }, .out = { dense } };
  run_kernel (&fw_ref_copy, &copy);

  FwConvAttributes attributes = { .upsample = 1 };
  int64_t tokens[5] = { x.dim[0], 0, 0, 0, w.dim[0] };
  for (int axis = 0; axis < 3; axis++) {
    int patch = attributes.stride[axis] = (int) w.dim[2 + axis];
    tokens[1 + axis] = (x.dim[2 + axis] + patch - 1) / patch;
    attributes.pad_back[axis] = (int) (tokens[1 + axis] * patch - x.dim[2 + axis]);
  }
  FwTensor y = fw_tensor_dense (NULL, FW_DTYPE_F32, 5, tokens);
  g_autofree float *got = g_new (float, fw_tensor_count (&y));
  y.data = got;
  FwKernelCall call = { .in = { dense, w, b }, .out = { y }, .attributes = &attributes };
  run_kernel (&fw_ref_conv, &call);
  compare (golden, "patch_out", got, (gsize) fw_tensor_count (&y));
  return TRUE;
}

/* Norm over the last axis, shifted and scaled by one vector per sample; a variance of 1e-6 shows the epsilon. */
static void
compare_norm (GoldenCase *golden)
{
  FwNormAttributes attributes = { .epsilon = 1e-6 };
  FwTensor x, shift, scale;
  g_autofree float *x_data = golden_floats (golden, "ln.x", &x);
  g_autofree float *shift_data = golden_floats (golden, "ln.shift", &shift);
  g_autofree float *scale_data = golden_floats (golden, "ln.scale", &scale);
  gsize count = (gsize) fw_tensor_count (&x);
  g_autofree float *got = g_new (float, count);
  FwTensor absent = { .rank = -1 }, y = x;
  x.data = x_data;
  shift.data = shift_data;
  scale.data = scale_data;
  y.data = got;
  shift.dim[1] = scale.dim[1] = x.dim[1];
  shift.stride[1] = scale.stride[1] = 0;
  FwKernelCall call = { .in = { x, absent, absent, shift, scale }, .out = { y }, .attributes = &attributes };
  run_kernel (&fw_ref_layer_norm, &call);
  compare (golden, "ln.out", got, count);
}

/* KIND_args.LABEL holds the arguments of table KIND.LABEL. */
static void
compare_position_table (GoldenCase *golden, const char *arguments_name)
{
  g_auto (GStrv) parts = g_strsplit (arguments_name, "_args.", 2);
  g_autofree char *name = g_strdup_printf ("%s.%s", parts[0], parts[1]);
  g_autofree float *arguments = golden_floats (golden, arguments_name, NULL);
  gboolean plane = g_str_equal (parts[0], "pos2d");
  gsize count = (gsize) arguments[0] * (gsize) arguments[1] * (plane ? (gsize) arguments[2] : 1);
  g_autofree float *got = g_new (float, count);
  if (plane)
    fw_position_2d ((int) arguments[0], (int) arguments[1], (int) arguments[2], arguments[3], arguments[4], got);
  else
    fw_position_1d ((int) arguments[0], (int) arguments[1], arguments[2], got);
  compare (golden, name, got, count);
}

static void
compare_sinusoid (GoldenCase *golden)
{
  FwTensor times, table;
  g_autofree float *t = golden_floats (golden, "in.t", &times), *want = golden_floats (golden, "tsinusoid", &table);
  gsize count = (gsize) fw_tensor_count (&table);
  g_autofree float *got = g_new (float, count);
  fw_timestep_sinusoid ((int) table.dim[1], t, (gsize) times.dim[0], got);
  /* One unit in the last place of the frequency moves the angle of t = 999 by 6e-5. */
  golden_compare (golden, "tsinusoid", got, want, count, 2e-4, 0);
}

static gboolean
run_embeddings (GoldenCase *golden, GError **error)
{
  compare_norm (golden);
  compare_sinusoid (golden);
  for (guint i = 0; i < fw_checkpoint_count (golden->io); i++) {
    const char *name = fw_checkpoint_tensor (golden->io, i)->name;
    if (strstr (name, "_args.") != NULL)
      compare_position_table (golden, name);
  }
  return compare_patches (golden, error);
}

/* bucket_nbBUCKETS_mdDISTANCE holds the bucket of every relative position. */
static gboolean
run_buckets (GoldenCase *golden, GError **error)
{
  FwTensor shape;
  g_autofree gint64 *relative = golden_integers (golden, "relative_position", &shape);
  for (guint i = 0; i < fw_checkpoint_count (golden->io); i++) {
    const char *name = fw_checkpoint_tensor (golden->io, i)->name;
    int buckets, distance, wrong = 0;
    if (sscanf (name, "bucket_nb%d_md%d", &buckets, &distance) != 2)
      continue;
    g_autofree gint64 *want = golden_integers (golden, name, NULL);
    for (gint64 at = 0; at < shape.dim[0]; at++)
      wrong += fw_t5_bucket (relative[at], buckets, distance) != want[at];
    golden_check (golden, wrong == 0, "%s: %d buckets are wrong", name, wrong);
  }
  return TRUE;
}

const GoldenRunner golden_position_runners[] = {
  { "opensora/embeddings", run_embeddings },
  { "t5/buckets", run_buckets },
  { NULL, NULL }
};
