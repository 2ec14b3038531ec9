/* SPDX-License-Identifier: Apache-2.0
 * The caption grammar of the shapes world: writing a caption in one of its wordings, and reading any of them back. */
#include "engine/dataset/shapes.h"

#include <string.h>

#include "engine/memory/error.h"

enum { MAX_VALUES = 8, MAX_SYNONYMS = 3, MAX_PHRASE = 2, MAX_CAPTION = 400 };

/* The first words of each value are its canonical ones. */
static const char *const words[FW_SHAPES_N_ATTRIBUTES][MAX_VALUES][MAX_SYNONYMS] = {
  [FW_SHAPES_SIZE] = { { "small", "little", "tiny" }, { "big", "large", "huge" } },
  [FW_SHAPES_COLOUR] = { { "red" }, { "orange" }, { "yellow" }, { "green" }, { "cyan" }, { "blue" }, { "magenta" }, { "white" } },
  [FW_SHAPES_SHAPE] = { { "circle", "disc" }, { "square" }, { "triangle" } },
  [FW_SHAPES_MOTION] = { { "standing still", "staying still", "not moving" }, { "moving left", "going left", "sliding left" },
                         { "moving right", "going right", "sliding right" }, { "moving up", "going up", "sliding up" },
                         { "moving down", "going down", "sliding down" }, { "growing", "getting bigger", "getting larger" },
                         { "shrinking", "getting smaller" } },
  [FW_SHAPES_GROUND] = { { "black" }, { "grey", "gray" }, { "navy" }, { "brown" } },
};

static const char *const attribute_names[FW_SHAPES_N_ATTRIBUTES] = { "size", "colour", "shape", "motion", "background" };

static const char *const fillers[] = { "a", "an", "the", "is", "in", "on", "colour", "color", "background" };

/* A digit stands for the words of that attribute. */
static const char *const orders[] = {
  "a 0 1 2 3 on a 4 background",
  "on a 4 background a 0 1 2 3",
  "a 0 2 in 1 3 on a 4 background",
  "0 1 2 3 on 4",
};

int
fw_shapes_attribute_values (FwShapesAttribute attribute)
{
  int count = 0;
  while (count < MAX_VALUES && words[attribute][count][0] != NULL)
    count++;
  return count;
}

/* The next digit of @wording in base @base: 0 all the way down for the canonical wording. */
static guint32
take_choice (guint32 *wording, guint32 base)
{
  guint32 choice = *wording % base;
  *wording /= base;
  return choice;
}

char *
fw_shapes_caption (const FwShapesAttributes *attributes, guint32 wording)
{
  const char *chosen[FW_SHAPES_N_ATTRIBUTES];
  const char *order = orders[take_choice (&wording, G_N_ELEMENTS (orders))];
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++) {
    const char *const *synonyms = words[a][attributes->value[a]];
    guint32 count = 0;
    while (count < MAX_SYNONYMS && synonyms[count] != NULL)
      count++;
    chosen[a] = synonyms[take_choice (&wording, count)];
  }
  GString *caption = g_string_new (NULL);
  for (const char *c = order; *c != '\0'; c++) {
    if (g_ascii_isdigit (*c))
      g_string_append (caption, chosen[*c - '0']);
    else
      g_string_append_c (caption, *c);
  }
  return g_string_free (caption, FALSE);
}

/* How many words of @list the phrase takes, 0 where it does not begin there. */
static int
match_phrase (const char *phrase, char *const *list)
{
  g_auto (GStrv) parts = g_strsplit (phrase, " ", MAX_PHRASE);
  int count = 0;
  for (; parts[count] != NULL; count++)
    if (list[count] == NULL || strcmp (parts[count], list[count]) != 0)
      return 0;
  return count;
}

/* Finds what begins at list[0]: an attribute's value, or -1 as the attribute for a filler. Returns the words taken. */
static int
match_words (char *const *list, int *attribute, int *value)
{
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++)
    for (int v = 0; v < fw_shapes_attribute_values (a); v++)
      for (int s = 0; s < MAX_SYNONYMS && words[a][v][s] != NULL; s++) {
        int taken = match_phrase (words[a][v][s], list);
        if (taken > 0) {
          *attribute = a;
          *value = v;
          return taken;
        }
      }
  *attribute = -1;
  for (gsize i = 0; i < G_N_ELEMENTS (fillers); i++)
    if (strcmp (fillers[i], list[0]) == 0)
      return 1;
  return 0;
}

static gboolean
parse_words (char *const *list, FwShapesAttributes *attributes, GError **error)
{
  while (*list != NULL) {
    int attribute, value;
    int taken = match_words (list, &attribute, &value);
    if (taken == 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "“%s” is not part of the shapes world; use words such as "
                   "“a big red circle moving left on a navy background”", *list);
      return FALSE;
    }
    if (attribute >= 0 && attributes->value[attribute] >= 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The caption gives its %s twice, the second time as “%s”",
                   attribute_names[attribute], *list);
      return FALSE;
    }
    if (attribute >= 0)
      attributes->value[attribute] = (gint8) value;
    list += taken;
  }
  for (int a = 0; a < FW_SHAPES_N_ATTRIBUTES; a++)
    if (attributes->value[a] < 0) {
      g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The caption does not say the %s, for example “%s”",
                   attribute_names[a], words[a][0][0]);
      return FALSE;
    }
  return TRUE;
}

gboolean
fw_shapes_parse (const char *caption, FwShapesAttributes *attributes, GError **error)
{
  memset (attributes->value, -1, sizeof attributes->value);
  if (!g_utf8_validate (caption, -1, NULL) || strlen (caption) > MAX_CAPTION) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The caption is not text of at most %d bytes", MAX_CAPTION);
    return FALSE;
  }
  g_auto (GStrv) pieces = g_strsplit_set (caption, " \t\r\n,.;:!?-", -1);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  for (char **piece = pieces; *piece != NULL; piece++)
    if (**piece != '\0')
      g_ptr_array_add (list, g_utf8_strdown (*piece, -1));
  g_ptr_array_add (list, NULL);
  return parse_words ((char *const *) list->pdata, attributes, error);
}
