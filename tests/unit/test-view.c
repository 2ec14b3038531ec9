/* SPDX-License-Identifier: Apache-2.0
 * Views: chains of reshapes, permutations and slices against the same done element by element on lists of indices. */
#include "tests/unit/graph-run.h"

enum { ROUNDS = 400, STEPS = 8, MOST_AXES = 5 };

/* What a view shows: for each element, in row-major order, its place in the input. */
typedef struct {
  int rank;
  gint64 dim[FW_MAX_RANK], count;
  gint64 *from;
} Shown;

static void
step_index (const Shown *shown, gint64 *index)
{
  for (int axis = shown->rank - 1; axis >= 0 && ++index[axis] == shown->dim[axis]; axis--)
    index[axis] = 0;
}

static gint64
number_of (const Shown *shown, const gint64 *index)
{
  gint64 number = 0;
  for (int axis = 0; axis < shown->rank; axis++)
    number = number * shown->dim[axis] + index[axis];
  return number;
}

static void
set_shape (Shown *shown, int rank, const gint64 *dim)
{
  shown->rank = rank;
  shown->count = 1;
  for (int i = 0; i < rank; i++) {
    shown->dim[i] = dim[i];
    shown->count *= dim[i];
  }
}

static Shown
naive_permute (const Shown *x, const int *axis)
{
  Shown y = { 0 };
  gint64 dim[FW_MAX_RANK], index[FW_MAX_RANK] = { 0 };
  for (int i = 0; i < x->rank; i++)
    dim[i] = x->dim[axis[i]];
  set_shape (&y, x->rank, dim);
  y.from = g_new (gint64, MAX (y.count, 1));
  for (gint64 n = 0; n < y.count; n++, step_index (&y, index)) {
    gint64 source[FW_MAX_RANK] = { 0 };
    for (int i = 0; i < x->rank; i++)
      source[axis[i]] = index[i];
    y.from[n] = x->from[number_of (x, source)];
  }
  return y;
}

static Shown
naive_slice (const Shown *x, int axis, gint64 start, gint64 size)
{
  Shown y = { 0 };
  gint64 dim[FW_MAX_RANK], index[FW_MAX_RANK] = { 0 };
  for (int i = 0; i < x->rank; i++)
    dim[i] = i == axis ? size : x->dim[i];
  set_shape (&y, x->rank, dim);
  y.from = g_new (gint64, MAX (y.count, 1));
  for (gint64 n = 0; n < y.count; n++, step_index (&y, index)) {
    gint64 source[FW_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
      source[i] = index[i] + (i == axis ? start : 0);
    y.from[n] = x->from[number_of (x, source)];
  }
  return y;
}

static Shown
naive_reshape (const Shown *x, int rank, const gint64 *dim)
{
  Shown y = { 0 };
  set_shape (&y, rank, dim);
  y.from = g_memdup2 (x->from, MAX (x->count, 1) * sizeof *x->from);
  return y;
}

/* A shape of as many elements, from the prime factors of the sizes dealt out anew; with an empty or single axis at times. */
static int
random_shape (GRand *random, gint64 count, gint64 *dim)
{
  int rank = g_rand_int_range (random, count == 1 ? 0 : 1, MOST_AXES + 1);
  for (int i = 0; i < rank; i++)
    dim[i] = 1;
  for (gint64 prime = 2, left = count; count > 0 && left > 1;)
    if (left % prime == 0) {
      dim[g_rand_int_range (random, 0, rank)] *= prime;
      left /= prime;
    } else {
      prime++;
    }
  if (count == 0)
    dim[0] = 0;
  return rank;
}

/* The recorded view and its model go through the same random step. */
static void
random_step (GRand *random, FwGraph *graph, FwVal *x, Shown *shown)
{
  Shown next;
  gint64 dim[FW_MAX_RANK];
  int axis[FW_MAX_RANK];
  switch (g_rand_int_range (random, 0, shown->rank > 0 ? 4 : 1)) {
  case 0: {
    int rank = random_shape (random, shown->count, dim);
    next = naive_reshape (shown, rank, dim);
    if (rank > 0 && shown->count > 0 && g_rand_boolean (random))
      dim[g_rand_int_range (random, 0, rank)] = -1;
    *x = fw_reshape (graph, *x, rank, dim);
    break;
  }
  case 1:
    for (int i = 0; i < shown->rank; i++) {
      int j = g_rand_int_range (random, 0, i + 1);
      axis[i] = axis[j];
      axis[j] = i;
    }
    next = naive_permute (shown, axis);
    *x = fw_permute (graph, *x, axis);
    break;
  case 2: {
    int a = g_rand_int_range (random, 0, shown->rank);
    gint64 start = g_rand_int_range (random, 0, (gint32) shown->dim[a] + 1);
    gint64 size = g_rand_int_range (random, 0, 20) == 0 ? 0 : g_rand_int_range (random, 0, (gint32) (shown->dim[a] - start) + 1);
    next = naive_slice (shown, a, start, size);
    *x = fw_slice (graph, *x, g_rand_boolean (random) ? a : a - shown->rank, start, size);
    break;
  }
  default: {
    int a = g_rand_int_range (random, 0, shown->rank), rank = 0;
    if (shown->dim[a] == 0)
      return;
    gint64 i = g_rand_int_range (random, 0, (gint32) shown->dim[a]);
    for (int other = 0; other < shown->rank; other++)
      if (other != a)
        dim[rank++] = shown->dim[other];
    Shown one = naive_slice (shown, a, i, 1);
    next = naive_reshape (&one, rank, dim);
    g_free (one.from);
    *x = fw_select (graph, *x, a, i);
    break;
  }
  }
  g_free (shown->from);
  *shown = next;
}

/* Element @number of a view, found by its strides. */
static gint64
place_of (const FwValue *value, gint64 number)
{
  gint64 place = value->offset;
  for (int axis = value->layout.rank - 1; axis >= 0; axis--) {
    place += number % value->layout.dim[axis] * value->layout.stride[axis];
    number /= value->layout.dim[axis];
  }
  return place;
}

static void
test_chains (void)
{
  GRand *random = g_rand_new_with_seed (3);
  guint copies = 0, nodes = 0;
  for (int round = 0; round < ROUNDS; round++) {
    g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
    g_autoptr (GError) error = NULL;
    Shown shown = { 0 };
    gint64 dim[FW_MAX_RANK], count = g_rand_boolean (random) ? 720 : 64;
    set_shape (&shown, random_shape (random, count, dim), dim);
    shown.from = g_new (gint64, count);
    g_autofree gint64 *held = g_new (gint64, count); /* what the storage being looked at holds */
    for (gint64 i = 0; i < count; i++)
      shown.from[i] = held[i] = i;
    FwVal x = fw_external (graph, "x", FW_DTYPE_F32, shown.rank, shown.dim);
    gint32 base = x.id;
    for (int step = 0; step < STEPS; step++) {
      Shown before = naive_reshape (&shown, shown.rank, shown.dim);
      random_step (random, graph, &x, &shown);
      g_assert_false (fw_graph_failed (graph));
      const FwValue *value = fw_graph_value (graph, x.id);
      if (value->base != base) { /* a copy, dense and in the order seen before */
        base = value->base;
        memcpy (held, before.from, before.count * sizeof *held);
        copies++;
      }
      g_free (before.from);
      g_assert_cmpint (value->layout.rank, ==, shown.rank);
      for (int axis = 0; axis < shown.rank; axis++)
        g_assert_cmpint (value->layout.dim[axis], ==, shown.dim[axis]);
      for (gint64 n = 0; n < shown.count; n++)
        g_assert_cmpint (held[place_of (value, n)], ==, shown.from[n]);
    }
    nodes += fw_graph_n_nodes (graph);
    g_assert_true (fw_graph_finish (graph, &error));
    g_assert_no_error (error);
    g_free (shown.from);
  }
  g_test_message ("%u copies among %u nodes", copies, nodes);
  g_assert_cmpuint (copies, >, 0);
  g_rand_free (random);
}

/* Which reshapes are free: merging axes that follow each other in memory, splitting any, adding and dropping axes of size 1. */
static const struct {
  const char *what;
  int permute[3];
  gint64 to[4];
  int rank;
  gboolean copies;
} reshapes[] = {
  { "merge all", { 0, 1, 2 }, { 24 }, 1, FALSE }, { "split", { 0, 1, 2 }, { 2, 3, 2, 2 }, 4, FALSE },
  { "across", { 0, 1, 2 }, { 4, 6 }, 2, FALSE }, { "ones", { 2, 1, 0 }, { 4, 1, 3, 2 }, 4, FALSE },
  { "split turned", { 2, 1, 0 }, { 2, 2, 3, 2 }, 4, FALSE }, { "merge what stayed together", { 2, 0, 1 }, { 4, 6 }, 2, FALSE },
  { "merge turned", { 1, 0, 2 }, { 6, 4 }, 2, TRUE }, { "flatten turned", { 2, 1, 0 }, { 24 }, 1, TRUE },
  { "across turned", { 0, 2, 1 }, { 2, 6, 2 }, 3, TRUE },
};

static void
test_copies (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reshapes); i++) {
    g_autoptr (FwGraph) graph = fw_graph_new (FW_DTYPE_F32);
    FwVal x = fw_external (graph, "x", FW_DTYPE_F32, 3, (gint64[]) { 2, 3, 4 });
    fw_reshape (graph, fw_permute (graph, x, reshapes[i].permute), reshapes[i].rank, reshapes[i].to);
    g_test_message ("%s", reshapes[i].what);
    g_assert_false (fw_graph_failed (graph));
    g_assert_cmpuint (test_nodes (graph, FW_OP (COPY)), ==, reshapes[i].copies);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/view/chains", test_chains);
  g_test_add_func ("/view/copies", test_copies);
  return g_test_run ();
}
