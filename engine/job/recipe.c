/* SPDX-License-Identifier: Apache-2.0
 * Recipes to JSON and back, by one table of their members. */
#include "engine/job/recipe.h"
#include "engine/checkpoint/json-text.h"
#include "engine/job/generate.h"
#include "engine/memory/file.h"
#include "engine/model/clip-limits.h"

#include <string.h>

/* Far more than any recipe needs, and little enough to be read without a thought. */
enum { LARGEST_TEXT = 1 << 16, LARGEST_RECIPE = 1 << 20, MOST_FILES = 1024 };

typedef enum { TEXT, INTEGER, NUMBER } Kind;

typedef struct {
  const char *key;
  Kind kind;
  gsize offset;
  gboolean required;
  double minimum, maximum; /* of a number; of a text only how many bytes it has at least */
} Member;

#define MEMBER(field) G_STRUCT_OFFSET (FwRecipe, field)

static const Member members[] = {
  { "framewright", TEXT, MEMBER (version), TRUE, 0, 0 },
  { "model", TEXT, MEMBER (model), TRUE, 1, 0 },
  { "prompt", TEXT, MEMBER (prompt), TRUE, 1, 0 },
  { "negative", TEXT, MEMBER (negative), FALSE, 0, 0 },
  { "sampler", TEXT, MEMBER (sampler), TRUE, 0, 0 },
  { "noise", TEXT, MEMBER (noise), TRUE, 0, 0 },
  { "device", TEXT, MEMBER (device), FALSE, 0, 0 },
  { "cpu", TEXT, MEMBER (cpu), FALSE, 0, 0 },
  { "precision", TEXT, MEMBER (precision), TRUE, 0, 0 },
  { "seed", INTEGER, MEMBER (seed), TRUE, 0, FW_GENERATE_LAST_SEED },
  { "steps", INTEGER, MEMBER (steps), TRUE, 1, FW_CLIP_MOST_STEPS },
  { "guidance", NUMBER, MEMBER (guidance), TRUE, 0, FW_CLIP_MOST_GUIDANCE },
  { "frames", INTEGER, MEMBER (frames), TRUE, 1, FW_CLIP_MOST_FRAMES },
  { "width", INTEGER, MEMBER (width), TRUE, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE },
  { "height", INTEGER, MEMBER (height), TRUE, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE },
  { "fps", INTEGER, MEMBER (fps), TRUE, 1, FW_CLIP_MOST_FPS },
};

static void
file_free (gpointer data)
{
  FwRecipeFile *file = data;
  g_free (file->name);
  g_free (file->sha256);
  g_free (file);
}

FwRecipe *
fw_recipe_new (void)
{
  FwRecipe *recipe = g_new0 (FwRecipe, 1);
  recipe->files = g_ptr_array_new_with_free_func (file_free);
  return recipe;
}

void
fw_recipe_free (FwRecipe *recipe)
{
  if (recipe == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    if (members[i].kind == TEXT)
      g_free (G_STRUCT_MEMBER (char *, recipe, members[i].offset));
  g_ptr_array_unref (recipe->files);
  g_free (recipe);
}

void
fw_recipe_add_file (FwRecipe *recipe, const char *name, const char *sha256)
{
  FwRecipeFile *file = g_new0 (FwRecipeFile, 1);
  file->name = g_path_get_basename (name);
  file->sha256 = g_strdup (sha256);
  g_ptr_array_add (recipe->files, file);
}

static void
build_files (const FwRecipe *recipe, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "files");
  json_builder_begin_array (builder);
  for (guint i = 0; i < recipe->files->len; i++) {
    const FwRecipeFile *file = recipe->files->pdata[i];
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "name");
    json_builder_add_string_value (builder, file->name);
    json_builder_set_member_name (builder, "sha256");
    json_builder_add_string_value (builder, file->sha256);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

char *
fw_recipe_to_json (const FwRecipe *recipe, gboolean indented)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++) {
    const Member *member = &members[i];
    const char *text = member->kind == TEXT ? G_STRUCT_MEMBER (char *, recipe, member->offset) : NULL;
    if (member->kind == TEXT && text == NULL)
      continue;
    json_builder_set_member_name (builder, member->key);
    if (member->kind == TEXT)
      json_builder_add_string_value (builder, text);
    else if (member->kind == INTEGER)
      json_builder_add_int_value (builder, G_STRUCT_MEMBER (gint64, recipe, member->offset));
    else
      json_builder_add_double_value (builder, G_STRUCT_MEMBER (double, recipe, member->offset));
  }
  build_files (recipe, builder);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  return fw_json_text_print (root, indented);
}

static gboolean
fail (GError **error, const char *key, const char *fault)
{
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe's “%.64s” %s", key, fault);
  return FALSE;
}

static gboolean
read_text (const char *key, JsonNode *node, char **value, GError **error)
{
  if (json_node_get_value_type (node) != G_TYPE_STRING)
    return fail (error, key, "is not a text");
  const char *text = json_node_get_string (node);
  if (strlen (text) > LARGEST_TEXT)
    return fail (error, key, "is too long");
  *value = g_strdup (text);
  return TRUE;
}

static gboolean
read_member (const Member *member, JsonNode *node, FwRecipe *recipe, GError **error)
{
  gpointer place = G_STRUCT_MEMBER_P (recipe, member->offset);
  if (member->kind == TEXT && !read_text (member->key, node, place, error))
    return FALSE;
  if (member->kind == TEXT)
    return strlen (*(char **) place) >= member->minimum || fail (error, member->key, "is empty");
  GType type = json_node_get_value_type (node);
  if (type != G_TYPE_INT64 && !(type == G_TYPE_DOUBLE && member->kind == NUMBER))
    return fail (error, member->key, member->kind == INTEGER ? "is not a whole number" : "is not a number");
  double number = json_node_get_double (node);
  if (!(number >= member->minimum && number <= member->maximum))
    return fail (error, member->key, "is out of range");
  if (member->kind == INTEGER)
    *(gint64 *) place = json_node_get_int (node);
  else
    *(double *) place = number;
  return TRUE;
}

static gboolean
read_file (JsonNode *node, FwRecipe *recipe, GError **error)
{
  g_autofree char *name = NULL, *sha256 = NULL;
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  if (object == NULL || json_object_get_size (object) != 2 || !json_object_has_member (object, "name") ||
      !json_object_has_member (object, "sha256"))
    return fail (error, "files", "has an entry that is not a name with its sha256");
  if (!read_text ("files", json_object_get_member (object, "name"), &name, error) ||
      !read_text ("files", json_object_get_member (object, "sha256"), &sha256, error))
    return FALSE;
  if (strlen (sha256) != 64 || strspn (sha256, "0123456789abcdef") != 64)
    return fail (error, "files", "has a sha256 that is not 64 hexadecimal digits");
  fw_recipe_add_file (recipe, name, sha256);
  return TRUE;
}

static gboolean
read_files (JsonNode *node, FwRecipe *recipe, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (array == NULL || json_array_get_length (array) > MOST_FILES)
    return fail (error, "files", "is not a short list");
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (!read_file (json_array_get_element (array, i), recipe, error))
      return FALSE;
  return TRUE;
}

static const Member *
find_member (const char *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    if (strcmp (members[i].key, key) == 0)
      return &members[i];
  return NULL;
}

static gboolean
read_recipe (JsonObject *object, FwRecipe *recipe, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    if (members[i].required && !json_object_has_member (object, members[i].key))
      return fail (error, members[i].key, "is missing");
  JsonObjectIter iter;
  const char *key;
  JsonNode *node;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &key, &node)) {
    const Member *member = find_member (key);
    if (strcmp (key, "files") == 0) {
      if (!read_files (node, recipe, error))
        return FALSE;
    } else if (member == NULL) {
      return fail (error, key, "is not known to this version; it may come from a newer one");
    } else if (!read_member (member, node, recipe, error)) {
      return FALSE;
    }
  }
  return TRUE;
}

static FwRecipe *
recipe_from_node (JsonNode *root, GError **error)
{
  g_autoptr (FwRecipe) recipe = fw_recipe_new ();
  return read_recipe (json_node_get_object (root), recipe, error) ? g_steal_pointer (&recipe) : NULL;
}

FwRecipe *
fw_recipe_from_json (const char *text, gsize size, GError **error)
{
  if (size > LARGEST_RECIPE) {
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "The recipe is longer than %d bytes", LARGEST_RECIPE);
    return NULL;
  }
  g_autoptr (JsonNode) root = fw_json_text_parse (text, size, "The recipe", error);
  return root != NULL ? recipe_from_node (root, error) : NULL;
}

FwRecipe *
fw_recipe_read (const char *path, GError **error)
{
  g_autoptr (JsonNode) root = fw_json_text_read (path, LARGEST_RECIPE, error);
  if (root == NULL)
    return NULL;
  FwRecipe *recipe = recipe_from_node (root, error);
  if (recipe == NULL)
    g_prefix_error (error, "“%s”: ", path);
  return recipe;
}

static gboolean
files_equal (const FwRecipe *one, const FwRecipe *other)
{
  if (one->files->len != other->files->len)
    return FALSE;
  for (guint i = 0; i < one->files->len; i++) {
    const FwRecipeFile *a = one->files->pdata[i], *b = other->files->pdata[i];
    if (strcmp (a->name, b->name) != 0 || strcmp (a->sha256, b->sha256) != 0)
      return FALSE;
  }
  return TRUE;
}

gboolean
fw_recipe_equal (const FwRecipe *one, const FwRecipe *other)
{
  for (gsize i = 0; i < G_N_ELEMENTS (members); i++) {
    const Member *member = &members[i];
    if (member->offset == MEMBER (version))
      continue;
    if (member->kind == TEXT &&
        g_strcmp0 (G_STRUCT_MEMBER (char *, one, member->offset), G_STRUCT_MEMBER (char *, other, member->offset)) != 0)
      return FALSE;
    if (member->kind == INTEGER &&
        G_STRUCT_MEMBER (gint64, one, member->offset) != G_STRUCT_MEMBER (gint64, other, member->offset))
      return FALSE;
    if (member->kind == NUMBER &&
        G_STRUCT_MEMBER (double, one, member->offset) != G_STRUCT_MEMBER (double, other, member->offset))
      return FALSE;
  }
  return files_equal (one, other);
}
