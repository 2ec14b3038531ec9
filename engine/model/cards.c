/* SPDX-License-Identifier: Apache-2.0
 * Looking for registered model cards, and registering models where they lie, by links. */
#include "engine/model/cards.h"
#include "engine/checkpoint/identify.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* What a folder of models holds under a name. */
typedef struct {
  char *entry;              /* the card, the folder with the card, or a link to one of these */
  char *card;
} Registered;

static void
registered_free (gpointer data)
{
  Registered *model = data;
  g_free (model->entry);
  g_free (model->card);
  g_free (model);
}

/* Where the link at @path leads, or @path. A card's paths start from where it lies, not from where a link to it does. */
static char *
behind_link (const char *path)
{
  g_autofree char *target = g_file_read_link (path, NULL), *folder = g_path_get_dirname (path);
  return target == NULL || g_path_is_absolute (target) ? g_strdup (target != NULL ? target : path)
                                                       : g_build_filename (folder, target, NULL);
}

/* The model that the entry @name of @folder registers, and what it is called, or NULL. A link that leads nowhere is one too: its
 * model is told as one that cannot be used. */
static Registered *
registered_new (const char *folder, const char *name, char **called)
{
  g_autofree char *entry = g_build_filename (folder, name, NULL), *place = behind_link (entry);
  g_autofree char *inside = g_build_filename (place, "model.json", NULL);
  gboolean is_card = g_str_has_suffix (name, ".json");
  if (!is_card && strcmp (place, entry) == 0 && !g_file_test (inside, G_FILE_TEST_EXISTS))
    return NULL;
  *called = is_card ? g_strndup (name, strlen (name) - strlen (".json")) : g_strdup (name);
  Registered *model = g_new (Registered, 1);
  model->entry = g_steal_pointer (&entry);
  model->card = is_card ? g_steal_pointer (&place) : g_steal_pointer (&inside);
  return model;
}

/* name -> Registered, both owned; earlier folders win. */
static GTree *
registered (void)
{
  GTree *models = g_tree_new_full ((GCompareDataFunc) (GCallback) strcmp, NULL, g_free, registered_free);
  g_auto (GStrv) folders = fw_model_folders ();
  for (guint i = 0; folders[i] != NULL; i++) {
    g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
    const char *entry;
    while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL) {
      g_autofree char *name = NULL;
      Registered *model = registered_new (folders[i], entry, &name);
      if (model != NULL && g_tree_lookup (models, name) == NULL)
        g_tree_insert (models, g_steal_pointer (&name), model);
      else if (model != NULL)
        registered_free (model);
    }
  }
  return models;
}

static gboolean
append_path (gpointer name, gpointer model, gpointer paths)
{
  g_ptr_array_add (paths, g_strdup (((const Registered *) model)->card));
  return FALSE;
}

GPtrArray *
fw_model_cards (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GTree) models = registered ();
  g_tree_foreach (models, append_path, paths);
  return paths;
}

static gboolean
append_name (gpointer name, gpointer model, gpointer text)
{
  GString *names = text;
  g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", (const char *) name);
  return FALSE;
}

static gboolean
refuse_unknown (GTree *models, const char *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  g_tree_foreach (models, append_name, known);
  g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is no model “%.128s”; known are: %s", name,
               known->len > 0 ? known->str : "none");
  return FALSE;
}

/* What lies at @path, which has no card, in words that tell the user why that is not enough. */
static gboolean
refuse_without_card (const char *path, GError **error)
{
  g_autoptr (GError) cause = NULL;
  g_autoptr (FwCheckpoint) checkpoint = fw_checkpoint_open (path, &cause);
  const char *kind = checkpoint != NULL ? fw_checkpoint_summarize (checkpoint).kind : NULL;
  if (kind != NULL)
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” holds one network of a model (%s); a model is a card, "
                 "model.json, that names all its networks", path, kind);
  else
    g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "“%s” is no model: it is neither a model card (model.json) nor a folder with one",
                 path);
  return FALSE;
}

/* A card is known by its ending, so that weights of gigabytes are never read as one. */
static gboolean
check_is_card (const char *path, GError **error)
{
  g_autofree char *inside = g_build_filename (path, "model.json", NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot open “%s”: %s", path, g_strerror (ENOENT));
    return FALSE;
  }
  if (g_file_test (path, G_FILE_TEST_IS_DIR) ? g_file_test (inside, G_FILE_TEST_EXISTS) : g_str_has_suffix (path, ".json"))
    return TRUE;
  return refuse_without_card (path, error);
}

/* Whether @name can only be meant as a path. */
static gboolean
is_path (const char *name)
{
  return strchr (name, '/') != NULL || g_str_has_suffix (name, ".json");
}

FwModelCard *
fw_model_card_find (const char *name, GError **error)
{
  g_autoptr (GTree) models = registered ();
  const Registered *model = is_path (name) ? NULL : g_tree_lookup (models, name);
  if (model != NULL)
    return fw_model_card_read (model->card, error);
  if (is_path (name) || g_file_test (name, G_FILE_TEST_EXISTS))
    return check_is_card (name, error) ? fw_model_card_read (name, error) : NULL;
  refuse_unknown (models, name, error);
  return NULL;
}

char *
fw_model_reference (const char *name)
{
  g_autoptr (GTree) models = registered ();
  if (!is_path (name) && g_tree_lookup (models, name) != NULL)
    return g_strdup (name);
  g_autofree char *path = g_canonicalize_filename (name, NULL);
  return !g_file_test (name, G_FILE_TEST_EXISTS) ? NULL : g_utf8_validate (path, -1, NULL) ? g_steal_pointer (&path) : g_strdup (name);
}

static FwModelCard *
read_whole_model (const char *path, GError **error)
{
  g_autoptr (FwModelCard) card = fw_model_card_read (path, error);
  for (FwNetworkRole role = 0; card != NULL && role < FW_N_ROLES; role++) {
    g_autoptr (FwNetwork) network = fw_model_card_open (card, role, error);
    if (network == NULL)
      return NULL;
  }
  return g_steal_pointer (&card);
}

FwModelCard *
fw_model_card_register (const char *path, GError **error)
{
  g_autofree char *target = g_canonicalize_filename (path, NULL);
  g_autoptr (FwModelCard) card = check_is_card (path, error) ? read_whole_model (target, error) : NULL;
  if (card == NULL)
    return NULL;
  g_autoptr (GTree) models = registered ();
  const Registered *same = g_tree_lookup (models, card->name);
  if (same != NULL) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "There is a model “%s” already, at “%s”", card->name, same->card);
    return NULL;
  }
  g_auto (GStrv) folders = fw_model_folders ();
  const char *ending = g_file_test (target, G_FILE_TEST_IS_DIR) ? "" : ".json";
  g_autofree char *entry = g_strconcat (folders[0], "/", card->name, ending, NULL);
  if (g_mkdir_with_parents (folders[0], 0777) != 0 || symlink (target, entry) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot write “%s”: %s", entry, g_strerror (errno));
    return NULL;
  }
  return g_steal_pointer (&card);
}

gboolean
fw_model_card_unregister (const char *name, GError **error)
{
  g_autoptr (GTree) models = registered ();
  const Registered *model = g_tree_lookup (models, name);
  if (model == NULL)
    return refuse_unknown (models, name, error);
  if (!g_file_test (model->entry, G_FILE_TEST_IS_SYMLINK)) {
    g_set_error (error, FW_ERROR, FW_ERROR_INVALID, "The model “%s” was not added but lies in the folder of models itself, at “%s”",
                 name, model->entry);
    return FALSE;
  }
  if (unlink (model->entry) == 0)
    return TRUE;
  g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot remove “%s”: %s", model->entry, g_strerror (errno));
  return FALSE;
}
