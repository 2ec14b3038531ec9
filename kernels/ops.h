/* SPDX-License-Identifier: Apache-2.0
 * The ops: operands, attributes and meaning of each, shared by the op table, kernels/ref (the definition, in double) and
 * kernels/cpu. Notation: x[..., D] has any leading dimensions; (opt) may be absent; "f" is any float type. Sums run in f32
 * or wider whatever the operands' type; every output element is rounded once. Unless said otherwise inputs are strided and
 * may differ in dtype, outputs may be strided too (their innermost dimension has stride 1). Any output but the first, and any
 * output of a gradient, may be NULL: it is then not computed. Tensors may be empty; a sum of nothing is 0. An output that
 * holds sums over broadcast axes has size 1 there. Where one operand is not-a-number max and min may give either.
 *
 * bf16 beside f32: one operand decides which products are made of bf16 numbers on paths that multiply those (amx, avx512 with
 * bf16): x of linear and conv, dy of conv_grad_input, q of attention and attention_grad, either factor of linear_grad_weight and
 * conv_grad_weight, both factors of matmul. Where it is bf16, f32 factors are first rounded to bf16 (to nearest, ties to even) -
 * in attention also the softmax weights and, in its gradient, the slopes of the scores - and products are summed in f32. All
 * else (bias, gate, residual, mask, functions, column sums of dy), and every product on other paths, takes bf16 as the f32 numbers
 * they are. */
#pragma once
#include "kernels/kernel.h"

/* --- pointwise ------------------------------------------------------------------------------------------------- */

/* Functions of one variable; FW_FN_N counts them. AFFINE and CLAMP, which need parameters, are for unary only.
 * GELU_TANH is 0.5x(1+tanh(sqrt(2/pi)(x+0.044715x^3))), QUICK_GELU x sigmoid(1.702x). Slopes of abs and relu at 0 are 0. */
typedef enum {
  FW_FN_IDENTITY, FW_FN_NEG, FW_FN_EXP, FW_FN_LOG, FW_FN_SQRT, FW_FN_SQUARE, FW_FN_ABS, FW_FN_RECIPROCAL,
  FW_FN_TANH, FW_FN_SIGMOID, FW_FN_SILU, FW_FN_GELU_TANH, FW_FN_GELU_ERF, FW_FN_QUICK_GELU, FW_FN_RELU,
  FW_FN_SIN, FW_FN_COS,
  FW_FN_AFFINE,   /* a*x + b */
  FW_FN_CLAMP,    /* min(max(x, a), b); derivative 1 where a <= x <= b */
  FW_FN_N
} FwFunction;
typedef struct { FwFunction function; double a, b; } FwUnaryAttributes;

/* unary: x -> y of the same shape. y = fn(x). out may alias in[0] if same dtype and strides. */
/* unary_grad: x, dy -> dx = dy * fn'(x). Same attributes. dx may alias dy. */

typedef enum {
  FW_BINARY_ADD, FW_BINARY_SUB, FW_BINARY_MUL, FW_BINARY_DIV, FW_BINARY_MAX, FW_BINARY_MIN, FW_BINARY_N
} FwBinaryFunction;
typedef struct { FwBinaryFunction function; } FwBinaryAttributes;
/* binary: a, b -> y, all of y's shape (broadcast operands come with stride 0). y may alias a or b of equal layout. */

typedef struct { FwFunction function; } FwGatedAttributes;
/* gated: a, b -> y = fn(a) * b, same shapes (T5's gated GELU).  gated_grad: a, b, dy -> da, db. */

/* gate_residual: h, gate, a -> y = h + gate * a, all of y's shape (gate usually broadcast by stride 0).
 * y may alias h. */
/* gate_residual_grad: gate, a, dy -> da = gate * dy (shape of dy), dgate = sum over the broadcast axes of a * dy: where
 * gate's stride is 0, dgate has size 1. */

/* copy: x -> y, same shape: converts dtype and gathers strides. */
/* fill: -> y = value everywhere. */
typedef struct { double value; } FwFillAttributes;

/* sinusoid: t[B] -> e[B, dim]: cos(t f_i), then sin(t f_i), f_i = exp(-ln(max_period) i / half), i < half = dim/2,
 * and a last 0 if dim is odd; the frequency and the product are rounded to f32 first, as the original programs do (unless e
 * is f64). No gradient. */
typedef struct { double max_period; } FwSinusoidAttributes;

/* --- sums ------------------------------------------------------------------------------------------------------- */

typedef enum { FW_REDUCE_SUM, FW_REDUCE_MEAN } FwReduceFunction;
typedef struct { FwReduceFunction function; uint32_t axes; /* bit i: axis i is reduced to size 1 */ } FwReduceAttributes;
/* reduce: x -> y of the same rank, reduced axes have size 1. Fixed order of summation whatever the number of workers. */

/* softmax: x[..., n] -> y over the last axis.  softmax_grad: y, dy -> dx. */

/* cross_entropy: logits[M, n], label[M] (i32/i64) -> loss[M] = -log softmax(logits)[label]. A row whose label is not in
 * 0..n-1 does not count: loss and gradient 0.
 * cross_entropy_grad: logits, label, dloss[M] -> dlogits. */

/* --- matrix products -------------------------------------------------------------------------------------------- */

/* linear: x[..., K], w[N, K], bias[N] (opt), h[..., N] (opt), gate[..., N] (opt, broadcast by stride 0)
 *   -> y[..., N], saved[..., N], narrow[..., N] (may be NULL).   p = x w^T + bias;  y = [h +] [gate *] fn(p);  saved, which
 * gradients need, is fn'(p), or p itself where fn is the identity;  narrow is y once more, in another type.
 * With @transposed, w is [K, N] and p = x w + bias. Rows may be strided; the last axis of every operand has stride 1.
 * y may alias h. */
typedef struct { FwFunction function; bool transposed; } FwLinearAttributes;

/* linear_grad_weight: x[..., K], dy[..., N] -> dw[N, K] = dy^T x, dbias[N] = column sums of dy. Fixed order of summation. */

/* matmul: a[B..., M, K], b[B..., K, N] -> y[B..., M, N], y = alpha a b; a and b in any strides (a transposed one is a view). */
typedef struct { double alpha; } FwMatmulAttributes;

/* attention: q[B1, B2, Nq, H, K], k[B1, B2, Nk, H, K], v[B1, B2, Nk, H, V], mask[B1, Nk] (opt, u8: nonzero = the key counts),
 *   bias[H, Nq, Nk] (opt, f) -> o[B1, B2, Nq, H, V], lse[B1, B2, H, Nq] (f32, may be NULL).
 * s = scale q k^T + bias; keys with mask 0 are left out (and key j > query i when causal); o = softmax(s) v; lse = log sum exp s.
 * Stride 0 on B2 of k and v shares them. The innermost axis has stride 1, all others any stride. A row with no key gives 0,
 * and minus infinity in lse. */
typedef struct { double scale; bool causal; } FwAttentionAttributes;
/* attention_grad: q, k, v, mask (opt), bias (opt), o, do, lse -> dq, dk, dv (shapes of q, k, v), dbias[H, Nq, Nk].
 * o and lse are the forward's results, which a kernel may compute anew instead. Where k and v are shared over B2, dk and dv
 * have size 1 there and hold the sums. */

/* --- convolution, channels last --------------------------------------------------------------------------------- */

typedef enum { FW_PAD_ZERO, FW_PAD_REPEAT_FRONT /* along time the first frame is repeated in front (causal) */ } FwPadMode;
typedef struct {
  int stride[3], pad_front[3], pad_back[3]; /* time, height, width */
  FwPadMode time_mode;
  int upsample;                             /* 1, or 2: height and width of x are nearest-doubled first */
} FwConvAttributes;
/* conv: x[B, T, Y, X, I], w[O, I, kt, ky, kx] (torch's layout), bias[O] (opt) -> y[B, T', Y', X', O]. x's last axis has stride 1,
 * w, bias and their gradients are contiguous. y[t', y', x'] sees x[t' stride + tap - pad_front, ...], zeros outside.
 * conv_grad_input: dy, w -> dx (the shape of x).   conv_grad_weight: x, dy -> dw[O, I, kt, ky, kx], dbias[O] (may be NULL). */

typedef struct { int factor[3]; } FwResampleAttributes;
/* resample: x[B, T, Y, X, C] -> nearest-neighbour enlargement by integer factors.  resample_grad: dy -> dx, the sums. */

/* --- norms ------------------------------------------------------------------------------------------------------ */

typedef struct { double epsilon; } FwNormAttributes;
/* layer_norm: x[..., D], w[D] (opt), b[D] (opt), shift[..., D] (opt), scale[..., D] (opt, both broadcast by stride 0)
 *   -> y = n * (1 + scale) + shift, n = (x - mean)/sqrt(var + eps) * w + b, biased variance. shift and scale come together.
 * layer_norm_grad: x, w (opt), scale (opt), dy, h[..., D] (opt) -> dx, dw (or NULL), db (or NULL), dshift, dscale (or NULL; sums
 *   over the axes where scale's stride is 0, those have size 1), narrow (or NULL; dx once more, in another type). With w present b
 *   is present too; w and scale exclude each other. dx has h, whose last axis has stride 1, added to it. */
/* rms_norm: x[..., D], w[D] -> y = x / sqrt(mean(x^2) + eps) * w.   rms_norm_grad: x, w, dy -> dx, dw. */
typedef struct { double epsilon; int groups; FwFunction function; } FwGroupNormAttributes;
/* group_norm: x[B, P..., C], w[C], b[C] -> y = fn(n), statistics over all positions and C/groups channels of one sample.
 * x and y are contiguous. group_norm_grad: x, w, b, dy -> dx, dw, db. */

/* --- moving data ------------------------------------------------------------------------------------------------ */

/* embedding: table[V, D], ids[...] (i32/i64, each in 0..V-1; others give a zero row) -> y[..., D].
 * embedding_grad: ids, dy -> dtable[V, D]. */
typedef struct { int axis; } FwConcatAttributes;
/* concat: up to FW_MAX_INPUTS tensors -> y, joined along axis. Absent ones (rank -1) are skipped; a part with data NULL but a
 * shape already lies in its place and only moves the start of the next one. */
typedef struct { int64_t before[FW_MAX_RANK]; } FwPadAttributes;
/* pad: x -> y larger; x lies at @before, zeros elsewhere. */

/* --- optimiser -------------------------------------------------------------------------------------------------- */

/* sum_squares: x (dense) -> s[1] f32 (f64 accumulation, fixed order). */
typedef struct { double beta1, beta2, epsilon, weight_decay; } FwAdamwAttributes;
/* adamw: p, m, v, g, hyper[4] -> p', m', v' (each aliases its input; f32, dense, flat).
 * hyper = { learning rate, 1 - beta1^t, 1 - beta2^t, clip factor }: g is multiplied by the clip factor;
 * p *= 1 - lr wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps). */
/* ema: e, p, hyper[1] (decay) -> e' = decay e + (1 - decay) p (aliases e; f32, dense). */
