/* SPDX-License-Identifier: Apache-2.0
 * Reading model cards, which may come from strangers. */
#include "engine/model/card.h"

#include <string.h>

#include "engine/checkpoint/json-text.h"
#include "engine/model/clip-limits.h"
#include "engine/model/config.h"

enum { LARGEST_CARD = 1 << 20, LARGEST_CONFIG = 1 << 20, LONGEST_TEXT = 1 << 14, MOST_SIZES = 64 };

static const char *const card_members[] = {
  "name", "title", "description", "licence", "source", "transformer", "text", "vae", "defaults", "trained", "drift", "sha256",
  NULL
};
static const char *const network_members[] = { "architecture", "weights", "config", NULL };
static const char *const text_members[] = { "architecture", "weights", "config", "vocabulary", "length", "cleaning", NULL };
const char *const fw_model_card_default_members[] = { "frames", "width", "height", "fps", "steps", "guidance", "sampler", NULL };

const FwConfigField fw_model_card_default_fields[] = {
  { "frames", FW_CONFIG_INT, offsetof (FwModelCard, frames), 1, 1, FW_CLIP_MOST_FRAMES, TRUE },
  { "width", FW_CONFIG_INT, offsetof (FwModelCard, width), 1, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE, TRUE },
  { "height", FW_CONFIG_INT, offsetof (FwModelCard, height), 1, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE, TRUE },
  { "fps", FW_CONFIG_INT, offsetof (FwModelCard, fps), 1, 1, FW_CLIP_MOST_FPS, TRUE },
  { "steps", FW_CONFIG_INT, offsetof (FwModelCard, steps), 1, 1, FW_CLIP_MOST_STEPS, TRUE },
  { "guidance", FW_CONFIG_DOUBLE, offsetof (FwModelCard, guidance), 1, 0, FW_CLIP_MOST_GUIDANCE, TRUE },
  { NULL }
};
static const FwConfigField size_fields[] = {
  { "frames", FW_CONFIG_INT, offsetof (FwCardSize, frames), 1, 1, FW_CLIP_MOST_FRAMES, TRUE },
  { "width", FW_CONFIG_INT, offsetof (FwCardSize, width), 1, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE, TRUE },
  { "height", FW_CONFIG_INT, offsetof (FwCardSize, height), 1, FW_CLIP_LEAST_SIDE, FW_CLIP_MOST_SIDE, TRUE },
  { NULL }
};
static const char *const size_members[] = { "frames", "width", "height", NULL };
static const FwConfigField drift_fields[] = {
  { "bf16", FW_CONFIG_DOUBLE, offsetof (FwModelCard, bf16_drift), 1, 0, 1, TRUE }, { NULL }
};
static const char *const drift_members[] = { "bf16", NULL };
static const FwConfigField length_fields[] = {
  { "length", FW_CONFIG_INT, offsetof (FwModelCard, text_length), 1, 1, 1 << 14, FALSE }, { NULL }
};

static gboolean
fail (GError **error, const char *what, const char *member, const char *fault)
{
  g_set_error (error, FW_ERROR, FW_ERROR_FORMAT, "%s: “%.64s” %s", what, member, fault);
  return FALSE;
}

/* Refuses members that this version does not know: they may change what the others mean. */
static gboolean
check_members (JsonObject *object, const char *const *known, const char *what, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, NULL))
    if (!g_strv_contains (known, name))
      return fail (error, what, name, "is not known to this version");
  return TRUE;
}

static gboolean
read_text (JsonObject *object, const char *name, gboolean required, const char *what, char **text, GError **error)
{
  JsonNode *node = json_object_get_member (object, name);
  if (node == NULL)
    return required ? fail (error, what, name, "is missing") : TRUE;
  const char *value = json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  if (value == NULL || *value == '\0' || strlen (value) > LONGEST_TEXT)
    return fail (error, what, name, "must be a text that is neither empty nor very long");
  *text = g_strdup (value);
  return TRUE;
}

static JsonObject *
read_object (JsonObject *object, const char *name, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (object, name);
  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  fail (error, what, name, node == NULL ? "is missing" : "must be an object");
  return NULL;
}

static char *
beside_card (const FwModelCard *card, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (card->path);
  return g_path_is_absolute (path) || strcmp (folder, ".") == 0 ? g_strdup (path) : g_build_filename (folder, path, NULL);
}

/* Where the files that go with the network's weights lie. */
static char *
folder_of (const FwCardNetwork *network)
{
  return g_file_test (network->weights, G_FILE_TEST_IS_DIR) ? g_strdup (network->weights) : g_path_get_dirname (network->weights);
}

/* The configuration is an object of the card, or a file that it names, or config.json beside the weights. */
static gboolean
read_config (FwModelCard *card, FwCardNetwork *network, JsonObject *json, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (json, "config");
  if (node != NULL && JSON_NODE_HOLDS_OBJECT (node)) {
    network->config = json_node_ref (node);
    network->config_path = g_strdup (what);
    return TRUE;
  }
  g_autofree char *named = NULL;
  if (!read_text (json, "config", FALSE, what, &named, error))
    return FALSE;
  g_autofree char *folder = folder_of (network);
  network->config_path = named != NULL ? beside_card (card, named) : g_build_filename (folder, "config.json", NULL);
  network->config = fw_json_text_read (network->config_path, LARGEST_CONFIG, error);
  return network->config != NULL;
}

static gboolean
read_network (FwModelCard *card, FwNetworkRole role, JsonObject *root, GError **error)
{
  const char *name = fw_network_role_name (role);
  FwCardNetwork *network = &card->network[role];
  g_autofree char *card_what = g_strdup_printf ("“%s”", card->path), *what = g_strdup_printf ("“%s”, “%s”", card->path, name);
  g_autofree char *architecture = NULL, *weights = NULL;
  JsonObject *json = read_object (root, name, card_what, error);
  if (json == NULL || !check_members (json, role == FW_ROLE_TEXT ? text_members : network_members, what, error)
      || !read_text (json, "architecture", TRUE, what, &architecture, error)
      || !read_text (json, "weights", TRUE, what, &weights, error))
    return FALSE;
  network->architecture = fw_architecture_find (role, architecture, what, error);
  network->weights = beside_card (card, weights);
  return network->architecture != NULL && read_config (card, network, json, what, error);
}

static gboolean
read_captions (FwModelCard *card, JsonObject *root, GError **error)
{
  g_autofree char *what = g_strdup_printf ("“%s”, “text”", card->path), *vocabulary = NULL;
  JsonObject *json = json_object_get_object_member (root, "text");
  JsonNode *cleaning = json_object_get_member (json, "cleaning");
  if (!read_text (json, "vocabulary", FALSE, what, &vocabulary, error)
      || !fw_config_read (json, length_fields, card, what, error))
    return FALSE;
  if (cleaning != NULL && json_node_get_value_type (cleaning) != G_TYPE_BOOLEAN)
    return fail (error, what, "cleaning", "must be true or false");
  card->cleaning = cleaning == NULL || json_node_get_boolean (cleaning);
  g_autofree char *folder = folder_of (&card->network[FW_ROLE_TEXT]);
  card->vocabulary = vocabulary != NULL ? beside_card (card, vocabulary) : g_build_filename (folder, "spiece.model", NULL);
  return TRUE;
}

static gboolean
read_defaults (FwModelCard *card, JsonObject *root, const char *what, GError **error)
{
  JsonObject *json = read_object (root, "defaults", what, error);
  return json != NULL && check_members (json, fw_model_card_default_members, what, error)
         && fw_config_read (json, fw_model_card_default_fields, card, what, error)
         && read_text (json, "sampler", TRUE, what, &card->sampler, error);
}

static gboolean
read_trained (FwModelCard *card, JsonObject *root, const char *what, GError **error)
{
  JsonNode *node = json_object_get_member (root, "trained");
  if (node == NULL)
    return TRUE;
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (array == NULL || json_array_get_length (array) > MOST_SIZES)
    return fail (error, what, "trained", "must be a short list of sizes");
  for (guint i = 0; i < json_array_get_length (array); i++) {
    FwCardSize size;
    JsonNode *item = json_array_get_element (array, i);
    if (!JSON_NODE_HOLDS_OBJECT (item))
      return fail (error, what, "trained", "must be a list of objects with frames, width and height");
    if (!check_members (json_node_get_object (item), size_members, what, error)
        || !fw_config_read (json_node_get_object (item), size_fields, &size, what, error))
      return FALSE;
    g_array_append_val (card->trained, size);
  }
  return TRUE;
}

static gboolean
read_digests (FwModelCard *card, JsonObject *root, const char *what, GError **error)
{
  if (!json_object_has_member (root, "sha256"))
    return TRUE;
  JsonObject *json = read_object (root, "sha256", what, error);
  JsonObjectIter iter;
  const char *name;
  if (json == NULL)
    return FALSE;
  json_object_iter_init (&iter, json);
  while (json_object_iter_next (&iter, &name, NULL)) {
    g_autofree char *digest = NULL;
    if (!read_text (json, name, TRUE, what, &digest, error))
      return FALSE;
    if (strlen (digest) != 64 || strspn (digest, "0123456789abcdef") != 64)
      return fail (error, what, name, "must be a sha256 of 64 hexadecimal digits");
    g_hash_table_insert (card->sha256, beside_card (card, name), g_steal_pointer (&digest));
  }
  return TRUE;
}

static gboolean
read_drift (FwModelCard *card, JsonObject *root, const char *what, GError **error)
{
  if (!json_object_has_member (root, "drift"))
    return TRUE;
  JsonObject *json = read_object (root, "drift", what, error);
  return json != NULL && check_members (json, drift_members, what, error)
         && fw_config_read (json, drift_fields, card, what, error);
}

/* Names become options and file names; what ends in .json is taken for a path. */
static gboolean
is_plain_name (const char *name)
{
  return strlen (name) <= 64 && name[0] != '.' && !g_str_has_suffix (name, ".json") && name[strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.")] == '\0';
}

static gboolean
read_card (FwModelCard *card, JsonObject *root, GError **error)
{
  g_autofree char *what = g_strdup_printf ("“%s”", card->path);
  if (!check_members (root, card_members, what, error)
      || !read_text (root, "name", TRUE, what, &card->name, error)
      || !read_text (root, "title", FALSE, what, &card->title, error)
      || !read_text (root, "description", FALSE, what, &card->description, error)
      || !read_text (root, "licence", FALSE, what, &card->licence, error)
      || !read_text (root, "source", FALSE, what, &card->source, error))
    return FALSE;
  if (!is_plain_name (card->name))
    return fail (error, what, "name", "must be made of letters, digits, “-”, “_” and “.”, and not end in .json");
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++)
    if (!read_network (card, role, root, error))
      return FALSE;
  return read_captions (card, root, error) && read_defaults (card, root, what, error) && read_trained (card, root, what, error)
         && read_drift (card, root, what, error) && read_digests (card, root, what, error);
}

FwModelCard *
fw_model_card_read (const char *path, GError **error)
{
  g_autoptr (FwModelCard) card = g_new0 (FwModelCard, 1);
  card->path = g_file_test (path, G_FILE_TEST_IS_DIR) ? g_build_filename (path, "model.json", NULL) : g_strdup (path);
  card->trained = g_array_new (FALSE, FALSE, sizeof (FwCardSize));
  card->sha256 = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (JsonNode) root = fw_json_text_read (card->path, LARGEST_CARD, error);
  return root != NULL && read_card (card, json_node_get_object (root), error) ? g_steal_pointer (&card) : NULL;
}

void
fw_model_card_free (FwModelCard *card)
{
  if (card == NULL)
    return;
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    g_free (card->network[role].weights);
    g_free (card->network[role].config_path);
    g_clear_pointer (&card->network[role].config, json_node_unref);
  }
  g_free (card->path);
  g_free (card->name);
  g_free (card->title);
  g_free (card->description);
  g_free (card->licence);
  g_free (card->source);
  g_free (card->vocabulary);
  g_free (card->sampler);
  g_array_unref (card->trained);
  g_hash_table_unref (card->sha256);
  g_free (card);
}

FwNetwork *
fw_model_card_open (const FwModelCard *card, FwNetworkRole role, GError **error)
{
  const FwCardNetwork *network = &card->network[role];
  JsonObject *config = json_node_get_object (network->config);
  return fw_network_open (network->architecture, network->weights, config, network->config_path, error);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Weights in @folder: every file in it with an ending of weights, in the order of their names. */
static void
add_folder (GPtrArray *files, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".safetensors") || g_str_has_suffix (name, ".bin") || g_str_has_suffix (name, ".pth"))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    g_ptr_array_add (files, g_build_filename (folder, g_ptr_array_index (names, i), NULL));
}

GPtrArray *
fw_model_card_files (const FwModelCard *card)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  for (FwNetworkRole role = 0; role < FW_N_ROLES; role++) {
    const char *weights = card->network[role].weights;
    if (g_file_test (weights, G_FILE_TEST_IS_DIR))
      add_folder (files, weights);
    else
      g_ptr_array_add (files, g_strdup (weights));
  }
  g_ptr_array_add (files, g_strdup (card->vocabulary));
  return files;
}
