/* SPDX-License-Identifier: Apache-2.0
 * Hashing with a small cache file: one JSON member a path, holding the file's size, its times of modification and of
 * change in nanoseconds, its inode, and the digest. */
#include "engine/job/sha256.h"
#include "engine/checkpoint/json-text.h"
#include "engine/memory/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGEST_CACHE = 4 << 20, MOST_ENTRIES = 2000, CHUNK = 1 << 20 };

typedef struct {
  char *path;               /* absolute */
  char *stamp;              /* "size mtime-in-ns ctime-in-ns inode" */
} Subject;

static void
subject_clear (Subject *subject)
{
  g_free (subject->path);
  g_free (subject->stamp);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Subject, subject_clear)

static char *
cache_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "framewright", "sha256.json", NULL);
}

/* The members of the cache file; an empty object if there is none or it cannot be trusted. */
static JsonNode *
read_cache (void)
{
  g_autofree char *path = cache_path ();
  JsonNode *root = fw_json_text_read (path, LARGEST_CACHE, NULL);
  if (root != NULL && json_object_get_size (json_node_get_object (root)) <= MOST_ENTRIES)
    return root;
  g_clear_pointer (&root, json_node_unref);
  root = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (root, json_object_new ());
  return root;
}

static gboolean
is_text (JsonNode *node)
{
  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING;
}

/* An entry is the text "STAMP DIGEST". */
static char *
look_up (const Subject *subject)
{
  g_autoptr (JsonNode) root = read_cache ();
  JsonNode *node = json_object_get_member (json_node_get_object (root), subject->path);
  const char *entry = is_text (node) ? json_node_get_string (node) : "";
  gsize length = strlen (subject->stamp);
  if (!g_str_has_prefix (entry, subject->stamp) || entry[length] != ' ')
    return NULL;
  const char *digest = entry + length + 1;
  return strlen (digest) == 64 && strspn (digest, "0123456789abcdef") == 64 ? g_strdup (digest) : NULL;
}

static void
remember (const Subject *subject, const char *digest)
{
  g_autoptr (JsonNode) root = read_cache ();
  g_autoptr (JsonNode) changed = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (changed, json_object_new ());
  JsonObject *object = json_node_get_object (changed);
  JsonObjectIter iter;
  const char *key;
  JsonNode *node;
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &key, &node))
    if (is_text (node))
      json_object_set_string_member (object, key, json_node_get_string (node));
  g_autofree char *entry = g_strdup_printf ("%s %s", subject->stamp, digest);
  json_object_set_string_member (object, subject->path, entry);
  g_autofree char *text = fw_json_text_print (changed, TRUE);
  g_autofree char *path = cache_path ();
  g_autofree char *folder = g_path_get_dirname (path);
  if (g_mkdir_with_parents (folder, 0700) == 0)
    fw_file_write (path, text, strlen (text), NULL);
}

static gint64
nanoseconds (struct timespec time)
{
  return (gint64) time.tv_sec * G_GINT64_CONSTANT (1000000000) + time.tv_nsec;
}

/* Whoever changes bytes can put the modification time back, but not the time of change. */
static gboolean
examine (const char *path, Subject *subject, GError **error)
{
  struct stat status;
  if (stat (path, &status) != 0) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "Cannot open “%s”: %s", path, g_strerror (errno));
    return FALSE;
  }
  if (!S_ISREG (status.st_mode)) {
    g_set_error (error, FW_ERROR, FW_ERROR_IO, "“%s” is not a regular file; choose a file", path);
    return FALSE;
  }
  subject->path = g_canonicalize_filename (path, NULL);
  subject->stamp = g_strdup_printf ("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT,
                                    (gint64) status.st_size, nanoseconds (status.st_mtim), nanoseconds (status.st_ctim),
                                    (guint64) status.st_ino);
  return TRUE;
}

static char *
digest_file (const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (GMappedFile) file = fw_file_map (path, error);
  if (file == NULL)
    return NULL;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const guchar *bytes = (const guchar *) g_mapped_file_get_contents (file);
  gsize size = g_mapped_file_get_length (file);
  for (gsize at = 0; at < size; at += CHUNK) {
    if (g_cancellable_is_cancelled (cancellable)) {
      g_set_error_literal (error, FW_ERROR, FW_ERROR_CANCELLED, "Stopped");
      return NULL;
    }
    g_checksum_update (checksum, bytes + at, (gssize) MIN (CHUNK, size - at));
  }
  return g_strdup (g_checksum_get_string (checksum));
}

static char *
digest_subject (const char *path, gboolean afresh, GCancellable *cancellable, GError **error)
{
  g_auto (Subject) subject = { NULL, NULL };
  if (!examine (path, &subject, error))
    return NULL;
  gboolean cached = g_utf8_validate (subject.path, -1, NULL);
  char *digest = cached && !afresh ? look_up (&subject) : NULL;
  if (digest != NULL)
    return digest;
  digest = digest_file (path, cancellable, error);
  if (digest != NULL && cached)
    remember (&subject, digest);
  return digest;
}

char *
fw_sha256_file (const char *path, GCancellable *cancellable, GError **error)
{
  return digest_subject (path, FALSE, cancellable, error);
}

char *
fw_sha256_file_afresh (const char *path, GCancellable *cancellable, GError **error)
{
  return digest_subject (path, TRUE, cancellable, error);
}

gint64
fw_sha256_work (const char *path)
{
  g_auto (Subject) subject = { NULL, NULL };
  if (!examine (path, &subject, NULL) || !g_utf8_validate (subject.path, -1, NULL))
    return 0;
  g_autofree char *known = look_up (&subject);
  return known != NULL ? 0 : g_ascii_strtoll (subject.stamp, NULL, 10);
}
