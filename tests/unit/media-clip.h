/* SPDX-License-Identifier: Apache-2.0
 * What the media tests share: a folder of their own, frames to write, and clips read back whole. */
#pragma once
#include "engine/media/decoder.h"
#include "engine/media/encoder.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct {
  char *path;
} Folder;

static inline void
folder_make (Folder *folder, gconstpointer data)
{
  folder->path = g_dir_make_tmp ("framewright-media-XXXXXX", NULL);
  g_assert_nonnull (folder->path);
}

static inline void
folder_empty (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir != NULL && (name = g_dir_read_name (dir)) != NULL;) {
    g_autofree char *inside = g_build_filename (path, name, NULL);
    if (g_file_test (inside, G_FILE_TEST_IS_DIR) && !g_file_test (inside, G_FILE_TEST_IS_SYMLINK))
      folder_empty (inside);
    g_remove (inside);
  }
}

static inline void
folder_remove (Folder *folder, gconstpointer data)
{
  folder_empty (folder->path);
  g_rmdir (folder->path);
  g_free (folder->path);
}

static inline char *
in_folder (const Folder *folder, const char *name)
{
  return g_build_filename (folder->path, name, NULL);
}

static inline int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Everything in the folder, hidden names too, sorted and joined by spaces. */
static inline char *
folder_list (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, by_name);
  g_ptr_array_add (names, NULL);
  return g_strjoinv (" ", (char **) names->pdata);
}

/* A bright square that walks over a shaded ground: frame @n of a film. */
static inline void
paint (guint8 *rgb, int width, int height, int n)
{
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      gboolean inside = ABS (x - 20 - 5 * n) < 12 && ABS (y - height / 2) < 12;
      guint8 *pixel = rgb + 3 * (y * width + x);
      pixel[0] = inside ? 220 : 40 + 100 * x / width;
      pixel[1] = inside ? 60 : 70 + 60 * y / height;
      pixel[2] = inside ? 50 : 110;
    }
}

static inline void
paint_noise (guint8 *rgb, int width, int height, int n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (100 + n);
  for (int i = 0; i < 3 * width * height; i++)
    rgb[i] = g_rand_int_range (rand, 0, 256);
}

typedef void (*Painter) (guint8 *rgb, int width, int height, int n);

/* Writes @frames frames; FALSE with the first error. */
static inline gboolean
write_clip (const FwEncodeSpec *spec, int frames, Painter painter, GError **error)
{
  g_autoptr (FwEncoder) encoder = fw_encoder_open (spec, NULL, error);
  g_autofree guint8 *rgb = g_malloc (3 * spec->width * MAX (spec->height, 1));
  for (int n = 0; encoder != NULL && n < frames; n++) {
    painter (rgb, spec->width, spec->height, n);
    if (!fw_encoder_push (encoder, rgb, 3 * spec->width, NULL, error))
      return FALSE;
  }
  return encoder != NULL && fw_encoder_finish (g_steal_pointer (&encoder), NULL, error);
}

static inline FwEncodeSpec
small_spec (const char *path)
{
  return (FwEncodeSpec) { .path = path, .width = 128, .height = 128, .fps_n = 8, .fps_d = 1 };
}

/* One sentence for one line: what every error must be. */
static inline void
assert_one_line (const GError *error)
{
  g_assert_nonnull (error);
  g_assert_true (error->domain == FW_ERROR);
  g_assert_cmpuint (strlen (error->message), >, 10);
  g_assert_null (strchr (error->message, '\n'));
}

static inline void
assert_message (const GError *error, const char *part)
{
  assert_one_line (error);
  if (strstr (error->message, part) == NULL)
    g_error ("“%s” is not in “%s”", part, error->message);
}
