/* SPDX-License-Identifier: Apache-2.0
 * The learned cost table: JSON from a phase's kind to its seconds for a unit of work. */
#include "engine/job/costs.h"
#include "engine/checkpoint/json-text.h"
#include "engine/memory/file.h"

#include <math.h>
#include <string.h>

enum { LARGEST_TABLE = 1 << 20, MOST_KINDS = 1000 };

struct _FwCosts {
  char *path;
  GHashTable *seconds;      /* kind -> double *, all > 0 */
};

/* Names the machine: a home folder may be shared by several. */
static char *
machine_path (void)
{
  g_autofree char *text = NULL;
  g_autofree char *machine = NULL;
  const char *model = "";
  if (g_file_get_contents ("/proc/cpuinfo", &text, NULL, NULL)) {
    char *line = strstr (text, "model name");
    if (line != NULL) {
      line[strcspn (line, "\n")] = '\0';
      model = line;
    }
  }
  machine = g_strdup_printf ("%s %u", model, g_get_num_processors ());
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, machine, -1);
  g_autofree char *name = g_strdup_printf ("costs-%.16s.json", digest);
  return g_build_filename (g_get_user_cache_dir (), "framewright", name, NULL);
}

static void
set_cost (FwCosts *costs, const char *kind, double seconds)
{
  double *value = g_new (double, 1);
  *value = seconds;
  g_hash_table_insert (costs->seconds, g_strdup (kind), value);
}

static void
load (FwCosts *costs)
{
  g_autoptr (JsonNode) root = fw_json_text_read (costs->path, LARGEST_TABLE, NULL);
  if (root == NULL || json_object_get_size (json_node_get_object (root)) > MOST_KINDS)
    return;
  JsonObjectIter iter;
  const char *kind;
  JsonNode *node;
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &kind, &node)) {
    double seconds = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : 0;
    if (isfinite (seconds) && seconds > 0)
      set_cost (costs, kind, seconds);
  }
}

FwCosts *
fw_costs_open (const char *path)
{
  FwCosts *costs = g_new0 (FwCosts, 1);
  costs->path = path != NULL ? g_strdup (path) : machine_path ();
  costs->seconds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  load (costs);
  return costs;
}

void
fw_costs_free (FwCosts *costs)
{
  if (costs == NULL)
    return;
  g_free (costs->path);
  g_hash_table_unref (costs->seconds);
  g_free (costs);
}

/* How many first words two kinds share. */
static guint
shared_words (const char *one, const char *other)
{
  guint words = 0;
  for (;; one++, other++) {
    gboolean ends = *one == '\0' || *one == ' ';
    if (ends && (*other == '\0' || *other == ' '))
      words++;
    if (*one != *other || *one == '\0')
      return words;
  }
}

double
fw_costs_find (const FwCosts *costs, const char *kind)
{
  const double *seconds = g_hash_table_lookup (costs->seconds, kind);
  return seconds != NULL ? *seconds : 0;
}

/* The geometric mean over the kinds that share most first words with @kind; 0 if none shares any. */
static double
judge_by_relatives (const FwCosts *costs, const char *kind)
{
  GHashTableIter iter;
  gpointer key, value;
  guint best = 0, count = 0;
  double logarithms = 0;
  g_hash_table_iter_init (&iter, costs->seconds);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    guint words = shared_words (kind, key);
    if (words == 0 || words < best)
      continue;
    if (words > best) {
      best = words;
      count = 0;
      logarithms = 0;
    }
    logarithms += log (*(double *) value);
    count++;
  }
  return count > 0 ? exp (logarithms / count) : 0;
}

double
fw_costs_guess (const FwCosts *costs, const char *kind)
{
  /* What is counted in bytes costs more for each than what is counted in FLOPs. */
  static const struct { const char *word; double seconds; } guesses[] = {
    { "load", 1e-9 }, { "hash", 2e-9 }, { "draw", 3e-9 }, { "save", 5e-8 }, { "encode", 5e-8 }, { "bench", 1e-11 }, { NULL, 2e-11 }
  };
  double related = costs != NULL ? judge_by_relatives (costs, kind) : 0;
  if (related > 0)
    return related;
  gsize i = 0;
  while (guesses[i].word != NULL && shared_words (guesses[i].word, kind) == 0)
    i++;
  return guesses[i].seconds;
}

void
fw_costs_learn (FwCosts *costs, const char *kind, double work, double seconds)
{
  double cost = seconds / work;
  if (!isfinite (cost) || cost <= 0)
    return;
  const double *known = g_hash_table_lookup (costs->seconds, kind);
  if (known == NULL && g_hash_table_size (costs->seconds) >= MOST_KINDS)
    return;
  /* Half of the new and half of the old, as ratios: one odd run moves a forecast by less than its oddness. */
  set_cost (costs, kind, known != NULL ? sqrt (*known * cost) : cost);
}

void
fw_costs_save (FwCosts *costs)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (root, json_object_new ());
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, costs->seconds);
  while (g_hash_table_iter_next (&iter, &key, &value))
    json_object_set_double_member (json_node_get_object (root), key, *(double *) value);
  g_autofree char *text = fw_json_text_print (root, TRUE);
  g_autofree char *folder = g_path_get_dirname (costs->path);
  if (g_mkdir_with_parents (folder, 0700) == 0)
    fw_file_write (costs->path, text, strlen (text), NULL);
}
