/* SPDX-License-Identifier: Apache-2.0
 * The recipe of a clip: everything that makes it again bit for bit. It travels as JSON in the clip's comment and beside it,
 * and is read back from strangers' files. */
#pragma once
#include "engine/memory/error.h"

/* A weight or vocabulary file the clip was made with. */
typedef struct {
  char *name;               /* its file name, without folders */
  char *sha256;             /* 64 lower-case hexadecimal digits */
} FwRecipeFile;

/* All values are what the clip was really made with: nothing in it means "default" or "automatic". */
typedef struct {
  char *version;            /* of the program */
  char *model;              /* registered name, or absolute path */
  char *prompt, *negative;  /* @negative may be empty */
  char *sampler, *noise, *device, *cpu, *precision;
  gint64 seed, steps, frames, width, height, fps;
  double guidance;
  GPtrArray *files;         /* of FwRecipeFile */
} FwRecipe;

FwRecipe *fw_recipe_new (void);
void fw_recipe_free (FwRecipe *recipe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FwRecipe, fw_recipe_free)
void fw_recipe_add_file (FwRecipe *recipe, const char *name, const char *sha256);

/* One JSON object, in one line for a clip's comment or indented for a sidecar; numbers round-trip exactly. Absent texts are
 * left out. Free with g_free(). */
char *fw_recipe_to_json (const FwRecipe *recipe, gboolean indented);
/* Reads @size bytes of JSON. FW_ERROR_FORMAT in one sentence for what is no recipe, holds an unknown key, lacks one that
 * repeating needs, or has a value out of range. Any thread. Free with fw_recipe_free(). */
FwRecipe *fw_recipe_from_json (const char *text, gsize size, GError **error);
/* The same from a sidecar file. */
FwRecipe *fw_recipe_read (const char *path, GError **error);
/* Whether both would make the same clip from the same files: all but the version. */
gboolean fw_recipe_equal (const FwRecipe *one, const FwRecipe *other);
