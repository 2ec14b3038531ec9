/* SPDX-License-Identifier: Apache-2.0
 * Rewriting canonical names into the spellings of a table, and what follows from it: finding, comparing. */
#include "engine/checkpoint/name-table.h"
#include "engine/checkpoint/identify.h"

#include <string.h>

enum { MAX_NUMBERS = 4, MAX_LEVELS = 64 };

/* What "#" and "*" stood for. */
typedef struct {
  guint numbers[MAX_NUMBERS];
  int count;
  const char *rest;
} Match;

/* Digits up to the end of a number; FALSE if there is none, or one no file has. */
static gboolean
read_number (const char **text, guint *number)
{
  const char *start = *text;
  *number = 0;
  while (g_ascii_isdigit (**text) && *text - start < 6)
    *number = *number * 10 + (guint) (*(*text)++ - '0');
  return *text > start && !g_ascii_isdigit (**text);
}

static gboolean
match (const char *form, const char *name, Match *found)
{
  *found = (Match) { .rest = "" };
  for (; *form != '\0'; form++) {
    if (*form == '*') {
      found->rest = name;
      return *name != '\0';
    }
    if (*form == '#') {
      if (found->count == MAX_NUMBERS || !read_number (&name, &found->numbers[found->count++]))
        return FALSE;
    } else if (*form != *name++) {
      return FALSE;
    }
  }
  return *name == '\0';
}

/* The form filled in, or NULL if a number has no counterpart from the other end. */
static char *
expand (const char *form, const Match *found, guint levels)
{
  g_autoptr (GString) name = g_string_new (NULL);
  int next = 0;
  for (; *form != '\0'; form++) {
    if (*form == '*') {
      g_string_append (name, found->rest);
    } else if (*form == '#' || *form == '~') {
      guint number = next < found->count ? found->numbers[next++] : 0;
      if (*form == '~' && number >= levels)
        return NULL;
      g_string_append_printf (name, "%u", *form == '~' ? levels - 1 - number : number);
    } else {
      g_string_append_c (name, *form);
    }
  }
  return g_string_free (g_steal_pointer (&name), FALSE);
}

/* @canonical as a naming spells it. */
static char *
spell (const FwNaming *naming, const char *canonical, guint levels)
{
  char *name = g_strdup (canonical);
  for (const FwNameRule *rule = naming->rules; name != NULL && rule->from != NULL; rule++) {
    Match found;
    if (!match (rule->from, name, &found))
      continue;
    char *rewritten = expand (rule->to, &found, levels);
    g_free (name);
    name = rewritten;
  }
  return name;
}

static const FwCheckpointTensor *
find_prefixed (const FwCheckpoint *checkpoint, const char *prefix, const char *name)
{
  g_autofree char *full = g_strconcat (prefix, name, NULL);
  return fw_checkpoint_find (checkpoint, full);
}

static guint
count_levels (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *prefix)
{
  guint levels = 0;
  Match number = { .count = 1 };
  for (; table->levels != NULL && levels < MAX_LEVELS; levels++) {
    number.numbers[0] = levels;
    g_autofree char *name = expand (table->levels, &number, 0);
    if (find_prefixed (checkpoint, prefix, name) == NULL)
      break;
  }
  return levels;
}

typedef void (*Visit) (const FwCheckpointTensor *tensor, gpointer data);

/* Visits every tensor of the file that is @canonical in some spelling below @prefix. */
static void
visit_below (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *prefix, const char *canonical, Visit visit,
             gpointer data)
{
  const FwCheckpointTensor *tensor = find_prefixed (checkpoint, prefix, canonical);
  if (tensor != NULL)
    visit (tensor, data);
  if (table->namings == NULL)
    return;
  guint levels = count_levels (checkpoint, table, prefix);
  for (const FwNaming *naming = table->namings; naming->rules != NULL; naming++) {
    g_autofree char *name = spell (naming, canonical, levels);
    tensor = name != NULL ? find_prefixed (checkpoint, prefix, name) : NULL;
    if (tensor != NULL)
      visit (tensor, data);
  }
}

static void
visit_spellings (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *canonical, Visit visit, gpointer data)
{
  visit_below (checkpoint, table, "", canonical, visit, data);
  for (const char *const *prefix = table->prefixes; prefix != NULL && *prefix != NULL; prefix++)
    visit_below (checkpoint, table, *prefix, canonical, visit, data);
}

static void
keep_first (const FwCheckpointTensor *tensor, gpointer data)
{
  const FwCheckpointTensor **first = data;
  if (*first == NULL)
    *first = tensor;
}

const FwCheckpointTensor *
fw_names_find (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *canonical)
{
  const FwCheckpointTensor *found = NULL;
  visit_spellings (checkpoint, table, canonical, keep_first, &found);
  return found;
}

gboolean
fw_names_fits (const FwCheckpointTensor *tensor, int rank, const gint64 *dim)
{
  int have = 0, want = 0;
  for (;;) {
    while (have < tensor->rank && tensor->dim[have] == 1)
      have++;
    while (want < rank && dim[want] == 1)
      want++;
    if (have == tensor->rank || want == rank)
      return have == tensor->rank && want == rank;
    if (tensor->dim[have++] != dim[want++])
      return FALSE;
  }
}

static gboolean
is_ignored_below (const FwNameTable *table, const char *prefix, const char *name)
{
  Match found;
  if (!g_str_has_prefix (name, prefix))
    return FALSE;
  for (const char *const *form = table->ignored; form != NULL && *form != NULL; form++)
    if (match (*form, name + strlen (prefix), &found))
      return TRUE;
  return FALSE;
}

static gboolean
is_ignored (const FwNameTable *table, const char *name)
{
  if (is_ignored_below (table, "", name))
    return TRUE;
  for (const char *const *prefix = table->prefixes; prefix != NULL && *prefix != NULL; prefix++)
    if (is_ignored_below (table, *prefix, name))
      return TRUE;
  return FALSE;
}

static void
mark_used (const FwCheckpointTensor *tensor, gpointer data)
{
  g_hash_table_add (data, (gpointer) tensor);
}

void
fw_names_audit (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *const *canonical, gsize count,
                GPtrArray *missing, GPtrArray *unexpected)
{
  g_autoptr (GHashTable) used = g_hash_table_new (NULL, NULL);
  for (gsize i = 0; i < count; i++) {
    guint before = g_hash_table_size (used);
    visit_spellings (checkpoint, table, canonical[i], mark_used, used);
    if (g_hash_table_size (used) == before)
      g_ptr_array_add (missing, (gpointer) canonical[i]);
  }
  for (guint i = 0; i < fw_checkpoint_count (checkpoint); i++) {
    const FwCheckpointTensor *tensor = fw_checkpoint_tensor (checkpoint, i);
    if (!g_hash_table_contains (used, tensor) && !is_ignored (table, tensor->name))
      g_ptr_array_add (unexpected, (gpointer) tensor->name);
  }
}

static gboolean
has_signature (const FwCheckpoint *checkpoint, const FwNameTable *table)
{
  for (const char *const *name = table->signature; *name != NULL; name++)
    if (fw_names_find (checkpoint, table, *name) == NULL)
      return FALSE;
  return TRUE;
}

gboolean
fw_names_expect (const FwCheckpoint *checkpoint, const FwNameTable *table, const char *path, GError **error)
{
  if (has_signature (checkpoint, table))
    return TRUE;
  FwCheckpointSummary summary = fw_checkpoint_summarize (checkpoint);
  g_set_error (error, FW_ERROR, FW_ERROR_CHECKPOINT, "“%s” holds %s%s, but %s is wanted here", path,
               summary.kind != NULL ? "another model: " : "", summary.kind != NULL ? summary.kind : "no model this program knows",
               table->title);
  return FALSE;
}
