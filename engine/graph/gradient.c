/* SPDX-License-Identifier: Apache-2.0
 * The reverse pass: walks the nodes backwards, collects contributions per value, asks each op's rule, and re-records
 * checkpointed segments. */
#include "engine/graph/gradient.h"

#include <string.h>

#include "engine/graph/ops.h"

typedef struct {
  gint32 value;
  int axis;          /* -1: the whole value */
  gint64 start;
} Contribution;

struct _FwGradient {
  FwGraph *graph;
  guint n_forward;          /* values that existed before */
  gboolean *needed;         /* per forward value: depends on a parameter */
  GArray **contributions;   /* per forward value */
  gint32 *again;            /* per forward value: its recomputed twin, or 0 */
};

FwGraph *
fw_gradient_graph (FwGradient *gradient)
{
  return gradient->graph;
}

static FwVal
seen (FwGradient *gradient, gint32 id)
{
  return (FwVal) { id > 0 && gradient->again[id] != 0 ? gradient->again[id] : id };
}

FwVal
fw_gradient_in (FwGradient *gradient, const FwNode *node, guint i)
{
  return seen (gradient, node->in[i]);
}

FwVal
fw_gradient_out (FwGradient *gradient, const FwNode *node, guint output)
{
  return seen (gradient, node->out[output]);
}

gboolean
fw_gradient_wanted (FwGradient *gradient, const FwNode *node, guint i)
{
  return node->in[i] != 0 && gradient->needed[node->in[i]];
}

void
fw_gradient_add_slice (FwGradient *gradient, const FwNode *node, guint i, FwVal value, int axis, gint64 start)
{
  if (!fw_gradient_wanted (gradient, node, i) || value.id == 0)
    return;
  GArray **list = &gradient->contributions[node->in[i]];
  if (*list == NULL)
    *list = g_array_new (FALSE, FALSE, sizeof (Contribution));
  Contribution contribution = { value.id, axis, start };
  g_array_append_val (*list, contribution);
}

void
fw_gradient_add (FwGradient *gradient, const FwNode *node, guint i, FwVal value)
{
  fw_gradient_add_slice (gradient, node, i, value, -1, 0);
}

static gint
by_start (gconstpointer a, gconstpointer b)
{
  gint64 first = ((const Contribution *) a)->start, second = ((const Contribution *) b)->start;
  return first < second ? -1 : first > second;
}

static FwVal
zeros (FwGradient *gradient, const FwTensor *layout, int axis, gint64 size)
{
  gint64 dim[FW_MAX_RANK];
  for (int i = 0; i < layout->rank; i++)
    dim[i] = i == axis ? size : layout->dim[i];
  return fw_fill (gradient->graph, 0, fw_graph_accumulate (gradient->graph), layout->rank, dim);
}

/* Slices of one axis join into one tensor, gaps as zeros; the planner lets their producers write straight into it. A slice
 * taken more than once is summed first. FW_NONE if slices overlap in another way or lie on several axes. */
static FwVal
join_slices (FwGradient *gradient, const FwTensor *layout, GArray *list)
{
  int axis = g_array_index (list, Contribution, 0).axis;
  if (axis < 0)
    return FW_NONE;
  g_array_sort (list, by_start);
  g_autoptr (GArray) parts = g_array_new (FALSE, FALSE, sizeof (FwVal));
  gint64 next = 0, last_start = -1;
  for (guint i = 0; i < list->len; i++) {
    Contribution *contribution = &g_array_index (list, Contribution, i);
    FwVal value = { contribution->value };
    gint64 size = fw_dim (gradient->graph, value, axis);
    if (contribution->axis != axis)
      return FW_NONE;
    if (contribution->start == last_start && contribution->start + size == next) {
      FwVal *same = &g_array_index (parts, FwVal, parts->len - 1);
      *same = fw_add (gradient->graph, *same, value);
      continue;
    }
    if (contribution->start < next)
      return FW_NONE;
    if (contribution->start > next) {
      FwVal gap = zeros (gradient, layout, axis, contribution->start - next);
      g_array_append_val (parts, gap);
    }
    g_array_append_val (parts, value);
    last_start = contribution->start;
    next = contribution->start + size;
  }
  if (next < layout->dim[axis]) {
    FwVal gap = zeros (gradient, layout, axis, layout->dim[axis] - next);
    g_array_append_val (parts, gap);
  }
  return parts->len == 1 ? g_array_index (parts, FwVal, 0) : fw_concat (gradient->graph, axis, (const FwVal *) (gpointer) parts->data, parts->len);
}

static FwVal
whole (FwGradient *gradient, const FwTensor *layout, const Contribution *contribution)
{
  FwVal value = { contribution->value };
  if (contribution->axis < 0)
    return value;
  gint64 before[FW_MAX_RANK] = { 0 };
  before[contribution->axis] = contribution->start;
  return fw_pad (gradient->graph, value, before, layout->dim);
}

/* All contributions to a value as one, cached as its only contribution. */
static FwVal
total (FwGradient *gradient, gint32 id)
{
  GArray *list = id > 0 ? gradient->contributions[id] : NULL;
  if (list == NULL)
    return FW_NONE;
  const FwTensor *layout = &fw_graph_value (gradient->graph, id)->layout;
  FwVal sum = join_slices (gradient, layout, list);
  if (sum.id == 0) {
    sum = whole (gradient, layout, &g_array_index (list, Contribution, 0));
    for (guint i = 1; i < list->len; i++)
      sum = fw_add (gradient->graph, sum, whole (gradient, layout, &g_array_index (list, Contribution, i)));
  }
  Contribution all = { sum.id, -1, 0 };
  g_array_set_size (list, 0);
  g_array_append_val (list, all);
  return sum;
}

FwVal
fw_gradient_arrived (FwGradient *gradient, const FwNode *node, guint output)
{
  return total (gradient, node->out[output]);
}

/* What the caller gets: dense, and no narrower than sums are. */
static FwVal
finished (FwGraph *graph, FwVal gradient)
{
  if (gradient.id == 0)
    return gradient;
  FwDtype dtype = fw_layout (graph, gradient)->dtype, wide = fw_graph_accumulate (graph);
  return dtype == FW_DTYPE_F64 || dtype == wide ? fw_contiguous (graph, gradient) : fw_cast (graph, gradient, wide);
}

static gboolean
any_arrived (const FwGradient *gradient, const FwNode *node)
{
  for (guint o = 0; o < node->op->n_out; o++)
    if (node->out[o] != 0 && gradient->contributions[node->out[o]] != NULL)
      return TRUE;
  return FALSE;
}

/* What is recorded for @node from now on computes as precisely as it does. */
static void
be_precise_as (FwGraph *graph, const FwNode *node)
{
  if (node->precise)
    fw_precise_begin (graph);
  else
    fw_precise_end (graph);
}

/* Records the nodes [first, last] again; their values get twins that the rules will see. */
static void
record_again (FwGradient *gradient, guint first, guint last)
{
  for (guint n = first; n <= last; n++) {
    const FwNode *node = fw_graph_node (gradient->graph, n);
    if (node->op == NULL)
      continue;
    FwVal in[FW_MAX_INPUTS];
    be_precise_as (gradient->graph, node);
    for (guint i = 0; i < node->op->n_in; i++)
      in[i] = seen (gradient, node->in[i]);
    FwVal twin = fw_record (gradient->graph, node->op, node->attributes, in, node->op->n_in);
    for (guint o = 0; o < node->op->n_out; o++)
      if (node->out[o] != 0)
        gradient->again[node->out[o]] = fw_sibling (gradient->graph, twin, o).id;
  }
}

static void
mark_needed (FwGradient *gradient, const FwVal *parameters, guint n_parameters, guint n_nodes)
{
  for (guint i = 0; i < n_parameters; i++)
    gradient->needed[parameters[i].id] = TRUE;
  for (guint n = 0; n < n_nodes; n++) {
    const FwNode *node = fw_graph_node (gradient->graph, n);
    if (node->op == NULL || node->op->gradient == NULL)
      continue;
    gboolean needed = FALSE;
    for (guint i = 0; i < node->op->n_in; i++)
      needed |= node->in[i] != 0 && gradient->needed[node->in[i]];
    for (guint o = 0; o < node->op->n_out; o++)
      if (node->out[o] != 0)
        gradient->needed[node->out[o]] |= needed;
  }
}

void
fw_gradient (FwGraph *graph, FwVal loss, const FwVal *parameters, guint n_parameters, gboolean checkpoint, FwVal *gradients)
{
  memset (gradients, 0, n_parameters * sizeof *gradients);
  if (fw_graph_failed (graph))
    return;
  if (fw_tensor_count (fw_layout (graph, loss)) != 1) {
    fw_graph_fail (graph, "the loss to differentiate is not a single number");
    return;
  }
  guint n_nodes = fw_graph_n_nodes (graph);
  FwGradient gradient = { .graph = graph, .n_forward = fw_graph_n_values (graph) };
  gradient.needed = g_new0 (gboolean, gradient.n_forward);
  gradient.contributions = g_new0 (GArray *, gradient.n_forward);
  gradient.again = g_new0 (gint32, gradient.n_forward);
  mark_needed (&gradient, parameters, n_parameters, n_nodes);

  const FwTensor *shape = fw_layout (graph, loss);
  Contribution seed = { fw_fill (graph, 1, fw_graph_accumulate (graph), shape->rank, shape->dim).id, -1, 0 };
  gradient.contributions[loss.id] = g_array_new (FALSE, FALSE, sizeof (Contribution));
  g_array_append_val (gradient.contributions[loss.id], seed);

  gint32 segment = 0;
  for (guint n = n_nodes; n-- > 0 && !fw_graph_failed (graph);) {
    const FwNode *node = fw_graph_node (graph, n);
    if (node->op == NULL)
      continue;
    if (checkpoint && node->segment != 0 && node->segment != segment) {
      guint first = n;
      while (first > 0 && fw_graph_node (graph, first - 1)->segment == node->segment)
        first--;
      record_again (&gradient, first, n);
      segment = node->segment;
    }
    if (node->op->gradient == NULL || !any_arrived (&gradient, node))
      continue;
    be_precise_as (graph, node);
    fw_scope_push (graph, "grad.%s", node->scope);
    node->op->gradient (&gradient, node);
    fw_scope_pop (graph);
  }
  fw_precise_end (graph);
  for (guint i = 0; i < n_parameters; i++)
    gradients[i] = finished (graph, total (&gradient, parameters[i].id));

  for (guint i = 0; i < gradient.n_forward; i++)
    if (gradient.contributions[i] != NULL)
      g_array_unref (gradient.contributions[i]);
  g_free (gradient.contributions);
  g_free (gradient.needed);
  g_free (gradient.again);
}
