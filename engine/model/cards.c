/* SPDX-License-Identifier: Apache-2.0
 * Looking for registered model cards. */
#include "engine/model/cards.h"

#include <string.h>

static void
add_models (GStrvBuilder *folders, const char *data)
{
  g_autofree char *models = g_build_filename (data, "models", NULL);
  g_strv_builder_add (folders, models);
}

/* Whether this program lies in the folder that it was built in. */
static gboolean
runs_from_build_folder (void)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  return program != NULL && g_str_has_prefix (program, FW_BUILD_ROOT "/");
}

GStrv
fw_model_folders (void)
{
  g_autoptr (GStrvBuilder) folders = g_strv_builder_new ();
  const char *given = g_getenv ("FRAMEWRIGHT_DATA");
  g_autofree char *user = g_build_filename (g_get_user_data_dir (), "framewright", NULL);
  if (given != NULL && *given != '\0')
    add_models (folders, given);
  add_models (folders, user);
  if (runs_from_build_folder ())
    add_models (folders, FW_SOURCE_ROOT "/data");
  add_models (folders, FW_DATADIR);
  return g_strv_builder_end (folders);
}

/* The name that the entry @name of a folder of models registers, or NULL. Free with g_free(). */
static char *
registered_name (const char *folder, const char *name, char **path)
{
  g_autofree char *entry = g_build_filename (folder, name, NULL);
  if (g_str_has_suffix (name, ".json")) {
    *path = g_steal_pointer (&entry);
    return g_strndup (name, strlen (name) - strlen (".json"));
  }
  g_autofree char *card = g_build_filename (entry, "model.json", NULL);
  if (!g_file_test (card, G_FILE_TEST_EXISTS))
    return NULL;
  *path = g_steal_pointer (&card);
  return g_strdup (name);
}

/* name -> path of the card, both owned; earlier folders win. */
static GTree *
registered (void)
{
  GTree *cards = g_tree_new_full ((GCompareDataFunc) (GCallback) strcmp, NULL, g_free, g_free);
  g_auto (GStrv) folders = fw_model_folders ();
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
    const char *entry;
    while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL) {
      g_autofree char *path = NULL, *name = registered_name (folders[i], entry, &path);
      if (name != NULL && g_tree_lookup (cards, name) == NULL)
        g_tree_insert (cards, g_steal_pointer (&name), g_steal_pointer (&path));
    }
  }
  return cards;
}

static gboolean
append_path (gpointer name, gpointer path, gpointer paths)
{
  g_ptr_array_add (paths, g_strdup (path));
  return FALSE;
}

GPtrArray *
fw_model_cards (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GTree) cards = registered ();
  g_tree_foreach (cards, append_path, paths);
  return paths;
}

static gboolean
append_name (gpointer name, gpointer path, gpointer text)
{
  GString *names = text;
  g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", (const char *) name);
  return FALSE;
}

FwModelCard *
fw_model_card_find (const char *name, GError **error)
{
  if (strchr (name, '/') != NULL || g_str_has_suffix (name, ".json"))
    return fw_model_card_read (name, error);
  g_autoptr (GTree) cards = registered ();
  const char *path = g_tree_lookup (cards, name);
  if (path != NULL)
    return fw_model_card_read (path, error);
  if (g_file_test (name, G_FILE_TEST_EXISTS))
    return fw_model_card_read (name, error);
  g_autoptr (GString) known = g_string_new (NULL);
  g_tree_foreach (cards, append_name, known);
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is no model “%.128s”; known are: %s", name,
               known->len > 0 ? known->str : "none");
  return NULL;
}
