/* SPDX-License-Identifier: Apache-2.0
 * The judge's own vocabulary, and reading the canonical wording of a prompt with it. */
#include "tests/quality/judge.h"

#include <string.h>

static const char *const size_words[] = { "small", "big", NULL };
static const char *const colour_words[] = { "red", "orange", "yellow", "green", "cyan", "blue", "magenta", "white", NULL };
static const char *const shape_words[] = { "circle", "square", "triangle", NULL };
static const char *const motion_words[] = { "standing still", "moving left", "moving right", "moving up", "moving down",
                                            "growing", "shrinking", NULL };
static const char *const ground_words[] = { "black", "grey", "navy", "brown", NULL };

/* In the order of the sentence, each with what stands before it. */
static const struct { const char *name, *before; const char *const *words; } grammar[JUDGE_N_ATTRIBUTES] = {
  [JUDGE_SIZE] = { "size", "a ", size_words },
  [JUDGE_COLOUR] = { "colour", " ", colour_words },
  [JUDGE_SHAPE] = { "shape", " ", shape_words },
  [JUDGE_MOTION] = { "motion", " ", motion_words },
  [JUDGE_GROUND] = { "ground", " on a ", ground_words },
};

gboolean
judge_read_prompt (const char *prompt, JudgeWords *words)
{
  for (int a = 0; a < JUDGE_N_ATTRIBUTES; a++) {
    if (!g_str_has_prefix (prompt, grammar[a].before))
      return FALSE;
    prompt += strlen (grammar[a].before);
    words->value[a] = JUDGE_UNCLEAR;
    for (int v = 0; grammar[a].words[v] != NULL; v++)
      if (g_str_has_prefix (prompt, grammar[a].words[v]))
        words->value[a] = v;
    if (words->value[a] == JUDGE_UNCLEAR)
      return FALSE;
    prompt += strlen (grammar[a].words[words->value[a]]);
  }
  return strcmp (prompt, " background") == 0;
}

const char *
judge_attribute_name (int attribute)
{
  return grammar[attribute].name;
}

const char *
judge_word (int attribute, int value)
{
  return value == JUDGE_UNCLEAR ? "unclear" : grammar[attribute].words[value];
}
